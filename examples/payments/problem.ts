/** What a request is answered that cannot be served: `application/problem+json` (RFC 9457). */
import { STATUS_CODES } from 'node:http';
import { HTTPException } from 'hono/http-exception';
import { MaloteError } from 'malote';

export interface FieldError {
  readonly field: string;
  readonly detail: string;
}

/** Thrown by whoever finds out; {@link answerError} turns it into the answer. */
export class Problem extends Error {
  readonly status: number;
  readonly errors: readonly FieldError[] | undefined;

  constructor(status: number, detail: string, errors?: readonly FieldError[]) {
    super(detail);
    this.status = status;
    this.errors = errors;
  }
}

/** Nothing of an unexpected error leaves the process: it is logged, and answered without detail. */
export function answerError(error: unknown): Response {
  if (error instanceof Problem) return answer(error);
  if (error instanceof HTTPException) return answer(new Problem(error.status, error.message));
  if (error instanceof MaloteError) {
    console.error(`${error.code}: ${error.message}`);
    return answer(new Problem(503, 'the engine of the messages cannot be reached; try again'));
  }
  console.error(error);
  return answer(new Problem(500, 'an unexpected error; it was logged'));
}

export function answer({ status, message, errors }: Problem): Response {
  const title = STATUS_CODES[status] ?? 'Error';
  return Response.json(
    { type: 'about:blank', title, status, detail: message, errors },
    {
      status,
      headers: {
        'Content-Type': 'application/problem+json',
        ...(status === 503 ? { 'Retry-After': '1' } : {}),
      },
    },
  );
}
