// Writes src/generated/openapi.json from the contracts, and src/generated/schema.ts (types only) from that document.
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import openapiTS, { astToString } from 'openapi-typescript';
import { DRY_RUN_MEDIA, openApiDocument } from '@robustmq/contracts';

const out = new URL('../src/generated/', import.meta.url);
const { version } = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'));

/** Written beside and renamed, so that a reader never sees half a file. */
async function put(name, text) {
  const partial = new URL(`${name}.${process.pid}.partial`, out);
  await writeFile(partial, text);
  await rename(partial, new URL(name, out));
}

await mkdir(out, { recursive: true });
const document = openApiDocument(version);
await put('openapi.json', `${JSON.stringify(document, null, 2)}\n`);
// Answers to dry runs are left out of the types: `dryRunOf` reads them, and whoever writes gets the write's answer.
const typed = JSON.parse(JSON.stringify(document));
for (const operation of Object.values(typed.paths).flatMap((path) => Object.values(path))) {
  const { content } = operation.responses[200] ?? {};
  if (content?.[DRY_RUN_MEDIA] === undefined) continue;
  delete content[DRY_RUN_MEDIA];
  if (Object.keys(content).length === 0) delete operation.responses[200];
}
// A field with a default may be left out by the caller, so it must stay optional in requests.
const ast = await openapiTS(typed, { defaultNonNullable: false, alphabetize: false });
await put('schema.ts', astToString(ast));
