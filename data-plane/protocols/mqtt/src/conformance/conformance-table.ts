import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Statement } from './statement.ts';
import { STATEMENTS_V311 } from './statements-v311.ts';
import { STATEMENTS_V5 } from './statements-v5.ts';

const ROOT = fileURLToPath(new URL('../../../../../', import.meta.url));
/** Folders whose tests name statements. */
const TEST_FOLDERS = ['data-plane/protocols/mqtt/src', 'e2e/conformance/mqtt'];
/** Where the table is written. */
export const TABLE_PATH = join(ROOT, 'docs/conformance/mqtt.md');

/** A test as its source names it. */
export interface NamedTest {
  /** Path from the root of the repository. */
  readonly file: string;
  /** Without the statement ids. */
  readonly title: string;
  /** `MQTT-3.1.0-1` of 5.0, `MQTT3-3.1.0-1` of 3.1.1. */
  readonly ids: readonly string[];
}

const TITLE = /(['"`])((?:(?!\1)[^\\\n]|\\.)*\[MQTT3?-\d+\.(?:(?!\1)[^\\\n]|\\.)*)\1/g;
const ID = /\[(MQTT3?-[\d.]+-\d+)\] ?/g;

/** The tests of the folders whose titles hold statement ids; a title may be glued of several strings. */
export function namedTests(): readonly NamedTest[] {
  const found: NamedTest[] = [];
  for (const folder of TEST_FOLDERS) {
    const names = readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' });
    for (const name of names.filter((one) => /\.(test|e2e)\.ts$/.test(one)).sort()) {
      const file = `${folder}/${name}`;
      const source = readFileSync(join(ROOT, file), 'utf8')
        .replaceAll(/(^|\s)\/\/.*$/gm, '$1')
        .replaceAll(/'\s*\+\s*'/g, '');
      for (const [, , title] of source.matchAll(TITLE)) {
        const ids = [...title!.matchAll(ID)].map(([, id]) => id!);
        found.push({ file, title: title!.replaceAll(ID, '').replaceAll('|', '\\|').trim(), ids });
      }
    }
  }
  return found;
}

/** The versions, with the mark of their ids in test titles. */
export const VERSIONS: readonly { name: string; mark: string; statements: readonly Statement[] }[] = [
  { name: 'MQTT 5.0', mark: 'MQTT', statements: STATEMENTS_V5 },
  { name: 'MQTT 3.1.1', mark: 'MQTT3', statements: STATEMENTS_V311 },
];

function rowOf(statement: Statement, tests: readonly NamedTest[]): string {
  const cells = tests.map(({ file, title }) => `${title} (\`${file.split('/').at(-1)}\`)`);
  const checked = tests.length > 0 ? cells.join('<br>') : `— ${statement.notOurs ?? '**no test**'}`;
  return `| ${statement.id} | ${statement.text} | ${checked} |`;
}

/** The whole document. */
export function renderTable(tests: readonly NamedTest[]): string {
  const parts = VERSIONS.map(({ name, mark, statements }) => {
    const of = (id: string) => tests.filter(({ ids }) => ids.includes(`${mark}-${id}`));
    const rows = statements.map((statement) => rowOf(statement, of(statement.id)));
    const tested = statements.filter(({ id }) => of(id).length > 0).length;
    const notOurs = statements.filter(({ id, notOurs }) => notOurs !== undefined && of(id).length === 0).length;
    const missing = statements.length - tested - notOurs;
    const sum = `${statements.length} statements: ${tested} tested, ${notOurs} not of this server, ${missing} without a test.`;
    return `## ${name}\n\n${sum}\n\n| statement | in short | checked by |\n| --- | --- | --- |\n${rows.join('\n')}\n`;
  });
  return `# MQTT conformance

Every numbered statement of the two OASIS standards and the tests that check it. Written by \`npm run conformance\` in
\`data-plane/protocols/mqtt\` from the ids in the tests' titles (\`[MQTT-…]\` of 5.0, \`[MQTT3-…]\` of 3.1.1); a test fails
when it is stale. A statement that nobody tests says so.

${parts.join('\n')}`;
}
