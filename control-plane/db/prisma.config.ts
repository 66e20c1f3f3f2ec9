import { defineConfig } from 'prisma/config';

/** Development only: at run time `prepareDatabase` applies the committed migrations without Prisma's CLI. */
export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
  datasource: { url: process.env['DATABASE_URL'] ?? 'postgresql://127.0.0.1/none' },
});
