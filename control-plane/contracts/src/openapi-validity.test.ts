import { describe, expect, it } from 'vitest';
import { openApiDocument } from './openapi.ts';

type Json = Record<string, unknown>;
const document = JSON.parse(JSON.stringify(openApiDocument('1.2.3'))) as Json;
const objects = (value: unknown): [string, Json][] => Object.entries((value ?? {}) as Record<string, Json>);
const operations = objects(document['paths']).flatMap(([path, item]) =>
  objects(item).map(([method, operation]) => ({ path, method, operation })),
);
const METHODS = new Set(['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace']);
const TYPES = new Set(['null', 'boolean', 'object', 'array', 'number', 'string', 'integer']);

/** Every schema object of the document with where it stands. */
function* schemas(value: unknown, at: string): Generator<[string, Json]> {
  if (typeof value !== 'object' || value === null) return;
  yield [at, value as Json];
  for (const [key, inner] of objects(value)) {
    if (['properties', 'patternProperties', '$defs'].includes(key))
      for (const [name, schema] of objects(inner)) yield* schemas(schema, `${at}/${key}/${name}`);
    else if (['items', 'additionalProperties', 'propertyNames', 'not'].includes(key))
      yield* schemas(inner, `${at}/${key}`);
    else if (['anyOf', 'oneOf', 'allOf', 'prefixItems'].includes(key))
      for (const [n, schema] of (inner as unknown as Json[]).entries()) yield* schemas(schema, `${at}/${key}/${n}`);
  }
}

function allSchemas(): [string, Json][] {
  const components = objects((document['components'] as Json)['schemas']);
  const named = components.flatMap(([name, schema]) => [...schemas(schema, `#/components/schemas/${name}`)]);
  const parameters = operations.flatMap(({ operation }) =>
    (operation['parameters'] as Json[]).flatMap((one) => [
      ...schemas(one['schema'], `${operation['operationId'] as string}`),
    ]),
  );
  return [...named, ...parameters];
}

/** The rules of OpenAPI 3.1.0 §4.8 and JSON Schema 2020-12 that a generated document could break. */
describe('the document by the rules of OpenAPI 3.1', () => {
  it('has the fixed fields of its root and no others', () => {
    expect(document['openapi']).toMatch(/^3\.1\.\d+$/);
    const { title, version } = document['info'] as Json;
    expect([typeof title, version]).toEqual(['string', '1.2.3']);
    const allowed = ['openapi', 'info', 'servers', 'paths', 'components', 'security', 'tags', 'externalDocs'];
    expect(Object.keys(document).filter((key) => !allowed.includes(key))).toEqual([]);
  });

  it.each(operations.map((one) => [`${one.method} ${one.path}`, one] as const))(
    '%s',
    (_, { path, method, operation }) => {
      expect(METHODS).toContain(method);
      expect(path.startsWith('/')).toBe(true);
      const parameters = operation['parameters'] as Json[];
      const names = parameters.map((one) => `${one['in'] as string} ${one['name'] as string}`);
      expect(new Set(names).size).toBe(names.length);
      for (const one of parameters) {
        expect(['path', 'query', 'header', 'cookie']).toContain(one['in']);
        if (one['in'] === 'path') expect(one['required']).toBe(true);
        expect(one['schema']).toBeTypeOf('object');
      }
      const responses = objects(operation['responses']);
      expect(responses.length).toBeGreaterThan(0);
      for (const [status, response] of responses) {
        expect(status).toMatch(/^[1-5]\d\d$/);
        expect(response['description']).toBeTypeOf('string');
      }
      if (operation['requestBody']) expect(['post', 'put', 'patch']).toContain(method);
      const schemes = (document['components'] as Json)['securitySchemes'] as Json;
      for (const need of operation['security'] as Json[])
        for (const name of Object.keys(need)) expect(schemes).toHaveProperty(name);
    },
  );

  it('has schemas that JSON Schema 2020-12 knows', () => {
    for (const [at, schema] of allSchemas()) {
      const type = schema['type'];
      for (const one of type === undefined ? [] : [type].flat()) expect(TYPES, at).toContain(one);
      expect(schema, at).not.toHaveProperty('nullable');
      if ('required' in schema) {
        const required = schema['required'] as string[];
        expect(new Set(required).size, at).toBe(required.length);
        for (const name of required) expect(schema['properties'], `${at} requires ${name}`).toHaveProperty(name);
      }
      if (typeof schema['pattern'] === 'string')
        expect(() => new RegExp(schema['pattern'] as string, 'u'), at).not.toThrow();
    }
  });

  it('refers only to what it has', () => {
    const text = JSON.stringify(document);
    const references = [...text.matchAll(/"\$ref":"([^"]+)"/g)].map((match) => match[1]!);
    expect(references.length).toBeGreaterThan(0);
    for (const reference of references) {
      const found = reference
        .split('/')
        .slice(1)
        .reduce<unknown>((value, key) => (value as Json | undefined)?.[key], document);
      expect(found, reference).toBeTypeOf('object');
    }
  });

  it('has every component key in the form of §4.8.7', () => {
    for (const [name] of objects((document['components'] as Json)['schemas']))
      expect(name).toMatch(/^[a-zA-Z0-9._-]+$/);
  });
});
