/** Ends JSON with a new line: in a terminal `curl` then leaves the prompt on a line of its own. */
import type { MiddlewareHandler } from 'hono';

export const endWithNewline: MiddlewareHandler = async (c, next) => {
  await next();
  if (!isJson(c.res)) return;
  c.res = new Response(`${await c.res.text()}\n`, c.res);
};

/** `application/json`, and `application/problem+json`. */
function isJson({ headers }: Response): boolean {
  return /\bjson\b/.test(headers.get('Content-Type') ?? '');
}
