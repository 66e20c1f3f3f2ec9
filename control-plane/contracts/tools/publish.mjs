// Writes published/openapi-v1.json: from here on the check of breaking changes protects what it says. Refuses to lose anything.
import { readFile, writeFile } from 'node:fs/promises';
import { breakingChanges } from '../src/breaking-changes.ts';
import { openApiDocument } from '../src/openapi.ts';

const file = new URL('../published/openapi-v1.json', import.meta.url);
const before = JSON.parse(await readFile(file, 'utf8'));
const now = JSON.parse(JSON.stringify(openApiDocument(before.info.version)));
const broken = breakingChanges(before, now);
for (const one of broken) process.stderr.write(`${one}\n`);
if (broken.length > 0) process.exitCode = 1;
else await writeFile(file, `${JSON.stringify(now, null, 2)}\n`);
