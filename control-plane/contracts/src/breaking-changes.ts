type Json = Record<string, unknown>;

/** The parts of an OpenAPI document that callers rely on. */
export interface Document {
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly schemas: Record<string, Json> };
}
interface Operation {
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required?: boolean }[];
  readonly requestBody?: { readonly content: Record<string, { readonly schema: Json }> };
  readonly responses: Record<string, { readonly content?: Record<string, { readonly schema: Json }> }>;
}

/** Schemas nested deeper are not compared. */
const DEPTH_MAX = 12;

const resolved = (document: Document, schema: Json): Json => {
  const ref = schema['$ref'];
  return typeof ref === 'string' ? (document.components.schemas[ref.split('/').at(-1)!] ?? {}) : schema;
};
const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
const propertiesOf = (schema: Json): Record<string, Json> => (schema['properties'] ?? {}) as Record<string, Json>;

/** What a caller that reads `before` misses in `after`. New values of an enum are additions: readers must expect them. */
function lost(before: Json, after: Json, at: string, depth = 0): string[] {
  if (depth > DEPTH_MAX) return [];
  const found: string[] = [];
  for (const [name, inner] of Object.entries(propertiesOf(before))) {
    const now = propertiesOf(after)[name];
    if (!now) found.push(`${at}.${name} is gone`);
    else found.push(...lost(inner, now, `${at}.${name}`, depth + 1));
    if (now && listOf(before['required']).includes(name) && !listOf(after['required']).includes(name))
      found.push(`${at}.${name} may be absent now`);
  }
  if (before['items'] && after['items'])
    found.push(...lost(before['items'] as Json, after['items'] as Json, `${at}[]`, depth + 1));
  if (typeof before['type'] === 'string' && typeof after['type'] === 'string' && before['type'] !== after['type'])
    found.push(`${at} is ${after['type']} now, not ${before['type']}`);
  return found;
}

/** What a caller that sends `before` is refused for by `after`. */
function refused(before: Json, after: Json, at: string, depth = 0): string[] {
  if (depth > DEPTH_MAX) return [];
  const found: string[] = [];
  for (const name of listOf(after['required']).map(String))
    if (!listOf(before['required']).includes(name)) found.push(`${at}.${name} is needed now`);
  for (const [name, inner] of Object.entries(propertiesOf(before))) {
    const now = propertiesOf(after)[name];
    if (now) found.push(...refused(inner, now, `${at}.${name}`, depth + 1));
    else if (after['additionalProperties'] === false) found.push(`${at}.${name} is refused now`);
  }
  for (const value of listOf(before['enum']))
    if (after['enum'] && !listOf(after['enum']).includes(value))
      found.push(`${at} does not take ${String(value)} any more`);
  return found;
}

function operationChanges(name: string, before: Operation, after: Operation, old: Document, now: Document): string[] {
  const found: string[] = [];
  for (const parameter of after.parameters ?? []) {
    const same = before.parameters?.find((one) => one.name === parameter.name && one.in === parameter.in);
    if (parameter.required && !same?.required) found.push(`${name}: the parameter ${parameter.name} is needed now`);
  }
  const [asked, asks] = [before.requestBody, after.requestBody].map(
    (body) => body?.content['application/json']?.schema,
  );
  if (asked && asks) found.push(...refused(resolved(old, asked), resolved(now, asks), `${name} request`));
  for (const [status, response] of Object.entries(before.responses)) {
    if (!status.startsWith('2')) continue;
    const answer = after.responses[status];
    if (!answer) found.push(`${name} does not answer ${status} any more`);
    for (const [media, { schema }] of Object.entries(answer ? (response.content ?? {}) : {})) {
      const says = answer?.content?.[media]?.schema;
      if (says) found.push(...lost(resolved(old, schema), resolved(now, says), `${name} response`));
      else found.push(`${name} does not answer ${media} any more`);
    }
  }
  return found;
}

/** Everything in `after` that breaks a caller written against `before`, one sentence each. */
export function breakingChanges(before: Document, after: Document): string[] {
  return Object.entries(before.paths).flatMap(([path, operations]) =>
    Object.entries(operations).flatMap(([method, operation]) => {
      const name = `${method.toUpperCase()} ${path}`;
      const now = after.paths[path]?.[method];
      return now ? operationChanges(name, operation, now, before, after) : [`${name} is gone`];
    }),
  );
}
