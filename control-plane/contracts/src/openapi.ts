import { z } from 'zod';
import { PROBLEM_STATUS, Problem, type ProblemCode } from './problems.ts';
import { DRY_RUN_MEDIA, DryRun } from './rest/dry-run.ts';
import { ROUTE_EXAMPLES } from './route-examples.ts';
import { ROUTES, type Route, type RouteName } from './routes.ts';

type Json = Record<string, unknown>;

const schemaOf = (type: z.ZodType, io: 'input' | 'output'): Json => {
  const { $schema: _, ...schema } = z.toJSONSchema(type, {
    io,
    unrepresentable: 'any',
    target: 'draft-2020-12',
  }) as Json;
  return schema;
};

/** Names that requests and responses are known by in the document: `CreateClusterRequest`, `CreateClusterResponse`. */
const capital = (name: string): string => name[0]!.toUpperCase() + name.slice(1);

function parametersOf(route: Route): Json[] {
  const list: Json[] = [];
  for (const [where, shape] of [
    ['path', route.params],
    ['query', route.query],
  ] as const) {
    if (!shape) continue;
    const schema = schemaOf(shape, 'input') as { properties?: Json; required?: string[] };
    for (const [name, property] of Object.entries(schema.properties ?? {})) {
      list.push({
        name,
        in: where,
        required: where === 'path' || (schema.required ?? []).includes(name),
        schema: property,
      });
    }
  }
  if (route.dryRun) {
    list.push({
      name: 'dry_run',
      in: 'query',
      required: false,
      schema: { type: 'string', enum: ['true', 'false'], default: 'false' },
      description: 'Only say what the write would do, what is left of quotas, and what it costs; nothing is written.',
    });
  }
  if (route.method === 'post' && route.access !== 'public') {
    list.push({
      name: 'Idempotency-Key',
      in: 'header',
      required: false,
      schema: { type: 'string', maxLength: 255 },
      description:
        'The same key and body answer the same result without doing it again; another body is refused (422).',
    });
  }
  if (route.etag !== undefined && route.method !== 'get') {
    list.push({
      name: 'If-Match',
      in: 'header',
      required: false,
      schema: { type: 'string' },
      description: 'The ETag that was read: the write is refused (412) when the resource has changed since.',
    });
  }
  return list;
}

function problemsOf(route: Route): ProblemCode[] {
  const codes: ProblemCode[] = ['too-many-requests', 'internal', ...(route.problems ?? [])];
  if (route.body || route.query || route.params) codes.push('validation-failed');
  if (route.access !== 'public') codes.push('unauthenticated');
  if (route.etag !== undefined && route.method !== 'get') codes.push('precondition-failed');
  if (typeof route.access === 'object') codes.push('forbidden', 'not-found');
  if (route.method === 'post' && route.access !== 'public')
    codes.push('idempotency-key-reused', 'idempotency-in-flight');
  return codes;
}

/** An answer of a write, or none, and beside it the one to `?dry_run=true`: media types tell them apart. */
const withDryRun = (answer: Json | undefined): Json => ({
  description: 'The answer to `?dry_run=true`',
  ...answer,
  content: { ...(answer?.['content'] as Json), [DRY_RUN_MEDIA]: { schema: { $ref: '#/components/schemas/DryRun' } } },
});

function operation(name: string, route: Route, components: Json): Json {
  const responses: Json = {};
  if (route.response instanceof z.ZodVoid) responses[route.status] = { description: 'Done' };
  else {
    components[`${capital(name)}Response`] = schemaOf(route.response, 'output');
    responses[route.status] = {
      description: 'Success',
      content: { 'application/json': { schema: { $ref: `#/components/schemas/${capital(name)}Response` } } },
      ...(route.etag === undefined ? {} : { headers: { ETag: { schema: { type: 'string' } } } }),
    };
  }
  if (route.dryRun) responses[200] = withDryRun(responses[200] as Json | undefined);
  const byStatus = new Map<number, ProblemCode[]>();
  for (const code of problemsOf(route)) {
    const status = PROBLEM_STATUS[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  for (const [status, codes] of byStatus) {
    responses[status] = {
      description: codes.join(', '),
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    };
  }
  const example = ROUTE_EXAMPLES[name as RouteName];
  const result: Json = {
    operationId: name,
    summary: route.summary,
    tags: [route.tag],
    parameters: parametersOf(route),
    responses,
    security: route.access === 'public' ? [] : [{ bearer: [] }],
    ...(typeof route.access === 'object' ? { 'x-permission': route.access.permission } : {}),
  };
  if (route.body) {
    components[`${capital(name)}Request`] = schemaOf(route.body, 'input');
    result['requestBody'] = {
      required: true,
      content: {
        'application/json': {
          schema: { $ref: `#/components/schemas/${capital(name)}Request` },
          ...(example?.body === undefined ? {} : { example: example.body }),
        },
      },
    };
  }
  return result;
}

/** The OpenAPI 3.1 document of all routes. */
export function openApiDocument(version: string): Json {
  const components: Json = { Problem: schemaOf(Problem, 'output'), DryRun: schemaOf(DryRun, 'output') };
  const paths: Record<string, Json> = {};
  for (const [name, route] of Object.entries(ROUTES)) {
    (paths[route.path] ??= {})[route.method] = operation(name, route, components);
  }
  return {
    openapi: '3.1.0',
    info: { title: 'RobustMQ Cloud', version, description: 'Tenants, clusters, credentials, topics, usage and bills.' },
    servers: [{ url: '/' }],
    paths,
    components: {
      schemas: components,
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description: 'An access token of a session, or an API key (`rmq_…`).',
        },
      },
    },
  };
}
