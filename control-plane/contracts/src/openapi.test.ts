import { describe, expect, it } from 'vitest';
import { openApiDocument } from './openapi.ts';
import { ROUTE_EXAMPLES } from './route-examples.ts';
import { ROUTES, type Route, type RouteName } from './routes.ts';

describe('openApiDocument', () => {
  const document = JSON.parse(JSON.stringify(openApiDocument('1.2.3'))) as {
    openapi: string;
    paths: Record<string, Record<string, { operationId: string; parameters: { name: string; in: string }[] }>>;
  };

  it('has one operation for every route', () => {
    const ids = Object.values(document.paths).flatMap((path) => Object.values(path).map((op) => op.operationId));
    expect(ids.sort()).toEqual(Object.keys(ROUTES).sort());
  });

  it('has an example for every request that needs values, in the shape of its route', () => {
    for (const [name, route] of Object.entries(ROUTES) as [RouteName, Route][]) {
      const example = ROUTE_EXAMPLES[name];
      if (route.body) expect(route.body.safeParse(example?.body ?? {}), name).toMatchObject({ success: true });
      if (route.query) expect(route.query.safeParse(example?.query ?? {}), name).toMatchObject({ success: true });
    }
  });

  it('describes every parameter that a path template names', () => {
    for (const [path, operations] of Object.entries(document.paths)) {
      const wanted = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
      for (const op of Object.values(operations)) {
        expect(
          op.parameters
            .filter((p) => p.in === 'path')
            .map((p) => p.name)
            .sort(),
        ).toEqual(wanted.sort());
      }
    }
  });
});
