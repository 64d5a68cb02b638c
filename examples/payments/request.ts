/** From the body of a request to checked data, or to a problem that names the field. */
import { z } from 'zod';
import type { Context } from 'hono';
import { type FieldError, Problem } from './problem.ts';
import { fields } from './messages.ts';

export const CustomerRequest = z.strictObject({
  id: fields.id.optional(),
  email: fields.email,
  name: fields.name,
});

export const PaymentRequest = z.strictObject({
  id: fields.id.optional(),
  customerId: fields.id,
  amount: fields.amount,
  currency: fields.currency,
});

export async function readBody<Schema extends z.ZodType>(
  c: Context,
  schema: Schema,
): Promise<z.infer<Schema>> {
  const contentType = c.req.header('Content-Type') ?? '';
  if (!/^application\/json\s*(;|$)/i.test(contentType)) {
    throw new Problem(415, 'the body must be sent with Content-Type: application/json');
  }
  const body = await parse(c);
  const checked = schema.safeParse(body);
  if (checked.success) return checked.data;
  const errors = checked.error.issues.flatMap((issue) => fieldErrors(issue, body));
  throw new Problem(400, errors.map((one) => `${one.field}: ${one.detail}`).join('; '), errors);
}

async function parse(c: Context): Promise<unknown> {
  const text = await c.req.text();
  try {
    return JSON.parse(text);
  } catch {
    throw new Problem(400, 'the body must be JSON');
  }
}

function fieldErrors(issue: z.core.$ZodIssue, body: unknown): FieldError[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((field) => ({ field, detail: 'is not a field of this request' }));
  }
  const field = issue.path.join('.') || 'body';
  const isMissing = issue.path.length === 1 && !Object.hasOwn(body as object, issue.path[0]!);
  return [{ field, detail: isMissing ? 'is missing' : issue.message }];
}
