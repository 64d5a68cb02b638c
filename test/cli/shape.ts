/** What a JSON document must look like: every name there, no other, each of its type. */

/** `typeof`, or `null`, or the shape of each item of a list; `a|b` where it may be either. */
export type Shape = string | { readonly [name: string]: Shape } | readonly [Shape];

const failure: Shape = { name: 'string', message: 'string', stack: 'string' };
export const deadLetter = {
  id: 'string',
  topic: 'string',
  subscription: 'string',
  key: 'string|null',
  reason: 'string',
  attempts: 'number',
  acceptedAt: 'number',
  diedAt: 'number',
  firstFailure: failure,
  lastFailure: failure,
  headers: 'string|null',
  body: 'string',
  bodyEncoding: 'string',
} satisfies Shape;

/** Where a value is not of its shape: a name that is missing, that is new, or of another type. */
export function differences(where: string, value: unknown, shape: Shape): string[] {
  if (typeof shape === 'string') {
    const type = value === null ? 'null' : typeof value;
    return shape.split('|').includes(type) ? [] : [`${where} is ${type}, not ${shape}`];
  }
  if (isList(shape)) {
    if (!Array.isArray(value)) return [`${where} is no list`];
    return value.flatMap((item, at) => differences(`${where}[${at}]`, item, shape[0]));
  }
  if (typeof value !== 'object' || value === null) return [`${where} is no object`];
  const given = value as Readonly<Record<string, unknown>>;
  const names = new Set([...Object.keys(shape), ...Object.keys(given)]);
  return [...names].flatMap((name) => {
    const inner = shape[name];
    if (inner === undefined) return [`${where}.${name} is not promised`];
    return name in given
      ? differences(`${where}.${name}`, given[name], inner)
      : [`${where}.${name} is missing`];
  });
}

function isList(shape: Shape): shape is readonly [Shape] {
  return Array.isArray(shape);
}
