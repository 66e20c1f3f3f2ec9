import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { breakingChanges, type Document } from './breaking-changes.ts';
import { openApiDocument } from './openapi.ts';

const published = JSON.parse(
  readFileSync(new URL('../published/openapi-v1.json', import.meta.url), 'utf8'),
) as Document;
const now = JSON.parse(JSON.stringify(openApiDocument('1.0.0'))) as Document;

it('breaks no caller of what was published', () => expect(breakingChanges(published, now)).toEqual([]));

it('sees what would break one', () => {
  const broken = structuredClone(published) as unknown as {
    paths: Record<string, Record<string, { parameters: object[] }>>;
    components: { schemas: Record<string, { properties: Record<string, object>; required: string[] }> };
  };
  delete broken.paths['/v1/me'];
  delete broken.components.schemas['GetClusterResponse']!.properties['phase'];
  broken.components.schemas['CreateTopicRequest']!.required.push('partitions');
  broken.paths['/v1/prices']!['get']!.parameters.push({ name: 'currency', in: 'query', required: true });
  const found = breakingChanges(published, broken as unknown as Document);
  expect(found).toContain('GET /v1/me is gone');
  expect(found).toContain('GET /v1/prices: the parameter currency is needed now');
  expect(found.some((one) => one.endsWith('response.phase is gone'))).toBe(true);
  expect(found.some((one) => one.endsWith('request.partitions is needed now'))).toBe(true);
});
