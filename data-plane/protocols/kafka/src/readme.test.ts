import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ROUTES } from './api-table.ts';

it('the table of the README is the table of the code', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const listed = new Map<string, string>();
  for (const [, names, versions] of readme.matchAll(/\| ([A-Z]\w+ \(\d+\)(?:, [A-Z]\w+ \(\d+\))*)\s*\| ([\d–, ]+)/g)) {
    const ranges = versions!.split(',').map((range) => range.trim());
    names!.split(', ').forEach((name, i) => listed.set(name, ranges[i]!));
  }
  const served = ROUTES.map(({ api }) => [`${api.name} (${api.key})`, `${api.minVersion}–${api.maxVersion}`] as const);
  expect(new Map([...listed].sort())).toEqual(new Map([...served].sort()));
});
