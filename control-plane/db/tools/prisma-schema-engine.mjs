#!/usr/bin/env node
// Prisma's CLI spawns a native schema-engine that it would download. This speaks the same argv + JSON-RPC on stdio
// and answers with @prisma/schema-engine-wasm over node-postgres. Use: PRISMA_SCHEMA_ENGINE_BINARY=<this file>.
import { createInterface } from 'node:readline';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { PrismaPg } from '@prisma/adapter-pg';
import { bindMigrationAwareSqlAdapterFactory, ColumnTypeEnum } from '@prisma/driver-adapter-utils';
import pg from 'pg';

globalThis.PRISMA_WASM_PANIC_REGISTRY ??= {
  message: '',
  get() {
    return this.message;
  },
  set_message(m) {
    this.message = m;
  },
};
// adapter-pg cannot map the catalog type "char" (oid 18): smuggle it through as "char"[] (1002), see connect()
const fix = (res) => {
  for (const f of res?.fields ?? []) if (f.dataTypeID === 18) f.dataTypeID = 1002;
  return res;
};
const query = pg.Client.prototype.query;
pg.Client.prototype.query = function (...a) {
  const cb = a.at(-1);
  if (typeof cb === 'function') a[a.length - 1] = (e, r) => cb(e, e ? r : fix(r));
  const r = query.apply(this, a);
  return r?.then ? r.then(fix) : r;
};
const argv = process.argv.slice(2);
const many = (k) => argv.flatMap((a, i) => (a === k ? [argv[i + 1]] : []));
const datasource = JSON.parse(many('--datasource')[0] ?? '{}');
const log = (level, message, extra = {}) =>
  process.stderr.write(
    JSON.stringify({
      timestamp: new Date().toISOString(),
      level,
      fields: { message, ...extra },
      target: 'schema_engine::logger',
    }) + '\n',
  );
const url = new URL(datasource.url || 'postgresql://127.0.0.1/none');
const main = decodeURIComponent(url.pathname.slice(1));
const ssl = url.searchParams.get('sslmode');
// discrete fields, never connectionString: pg lets connectionString override `database`, and the shadow pool would hit the real database
const conf = (database) => ({
  host: url.hostname,
  port: Number(url.port || 5432),
  user: decodeURIComponent(url.username),
  password: decodeURIComponent(url.password),
  database,
  ssl: ssl && ssl !== 'disable' ? { rejectUnauthorized: ssl.startsWith('verify') } : undefined,
});
const admin = async (f) => {
  const c = new pg.Client(conf('postgres'));
  await c.connect();
  try {
    return await f(c);
  } finally {
    await c.end();
  }
};
const createDb = (db) =>
  admin(async (c) => {
    if (!(await c.query('select 1 from pg_database where datname=$1', [db])).rowCount)
      await c.query(`CREATE DATABASE "${db}"`).catch((e) => {
        if (!['42P04', '23505'].includes(e.code)) throw e;
      });
    return db;
  });
const cli = argv.indexOf('cli');
if (cli >= 0) {
  log('INFO', 'Starting schema engine CLI'); // the CLI throws the first stderr line away
  try {
    if (argv[cli + 1] === 'can-connect-to-database') {
      const c = new pg.Client(conf(main));
      await c.connect();
      await c.end();
    } else if (argv[cli + 1] === 'create-database') await createDb(main);
    else if (argv[cli + 1] === 'drop-database')
      await admin((c) => c.query(`DROP DATABASE IF EXISTS "${main}" WITH (FORCE)`));
    log('INFO', 'ok');
    process.exit(0);
  } catch (e) {
    log('ERROR', String(e.message), {
      error_code:
        e.code === '3D000'
          ? 'P1003'
          : e.code === 'ECONNREFUSED'
            ? 'P1001'
            : e.code?.startsWith?.('28')
              ? 'P1000'
              : 'P1010',
    });
    process.exit(1);
  }
}
process.on('uncaughtException', (e) => {
  log('ERROR', `${e.message} ${globalThis.PRISMA_WASM_PANIC_REGISTRY.get()}`);
  process.exit(101);
});
const bg = await import('@prisma/schema-engine-wasm/schema_engine_bg');
const wasm = createRequire(import.meta.url)
  .resolve('@prisma/schema-engine-wasm')
  .replace(/schema_engine\.js$/, 'schema_engine_bg.wasm');
const { instance } = await WebAssembly.instantiate(readFileSync(wasm), { './schema_engine_bg.js': bg });
bg.__wbg_set_wasm(instance.exports);
instance.exports.__wbindgen_start();

const schema = url.searchParams.get('schema') ?? undefined;
async function connect(database) {
  const a = await new PrismaPg(conf(database), { schema }).connect();
  // adapter-pg cuts scripts at every ';' (breaks $$ bodies and comments); one simple query = one implicit transaction, like the native engine
  a.executeScript = async (sql) => {
    try {
      await a.client.query(sql);
    } catch (e) {
      a.onError(e);
    }
  };
  const P = Object.getPrototypeOf(Object.getPrototypeOf(a)); // PgQueryable
  if (!P.__char) {
    P.__char = true;
    const q = P.queryRaw;
    P.queryRaw = async function (x) {
      const r = await q.call(this, x);
      r.columnTypes = r.columnTypes.map((t) => (t === ColumnTypeEnum.CharacterArray ? ColumnTypeEnum.Character : t));
      return r;
    };
  }
  return a;
}
const factory = bindMigrationAwareSqlAdapterFactory({
  provider: 'postgres',
  adapterName: '@prisma/adapter-pg',
  connect: () => connect(main),
  async connectToShadowDb() {
    // adapter-pg's own one drops the database before its pool is closed
    const db = 'prisma_migrate_shadow_db_' + crypto.randomUUID();
    await admin((c) => c.query(`CREATE DATABASE "${db}"`));
    const a = await connect(db),
      end = a.dispose.bind(a);
    a.dispose = async () => {
      await end();
      await admin((c) => c.query(`DROP DATABASE IF EXISTS "${db}" WITH (FORCE)`));
    };
    return a;
  },
});
const datamodels = many('--datamodels').map((p) => [p, readFileSync(p, 'utf8')]);
let engine;
const getEngine = async () =>
  (engine ??= await bg.SchemaEngine.new({ datamodels: datamodels.length ? datamodels : undefined }, () => {}, factory));
async function rpc(method, params) {
  const e = await getEngine();
  // these two are not given the shadow factory by the WASM engine and only work from its cache: fill it with the same migrations first
  if (method === 'evaluateDataLoss' || method === 'createMigration')
    await e.devDiagnostic({ migrationsList: params.migrationsList, filters: params.filters });
  return e[method](params);
}
const send = (o) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', ...o }) + '\n');
for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  const { id, method, params } = line.trim() ? JSON.parse(line) : {};
  if (!method) continue;
  try {
    let result;
    if (method === 'createDatabase') result = { databaseName: await createDb(main) };
    else result = await rpc(method === 'getDatabaseVersion' ? 'version' : method, params);
    if (method === 'diff' && result.stdout != null)
      send({ id: 900000 + id, method: 'print', params: { content: result.stdout } });
    send({ id, result: result ?? {} });
  } catch (e) {
    send({
      id,
      error: {
        code: 4466,
        message: 'error',
        data: { is_panic: false, message: e.message ?? String(e), error_code: e.code, meta: e.meta },
      },
    });
  }
}
process.exit(0);
