import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { namedTests, renderTable, TABLE_PATH } from './conformance-table.ts';

mkdirSync(dirname(TABLE_PATH), { recursive: true });
writeFileSync(TABLE_PATH, renderTable(namedTests()));
