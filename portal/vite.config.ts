import react from '@vitejs/plugin-react';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { defineConfig, type Plugin } from 'vite';

/** Where `npm run dev` and `npm run preview` find the API; in production it serves the portal itself. */
const api = { '/v1': { target: process.env['ROBUSTMQ_URL'] ?? 'http://127.0.0.1:8080' } };

/** Smaller files travel in one packet as they are. */
const COMPRESSED_BYTES_MIN = 1_400;

/** Leaves each file of the bundle beside itself as .br and .gz, which the API sends to browsers that take them. */
const compressed = (): Plugin => ({
  name: 'portal-compressed',
  apply: 'build',
  writeBundle({ dir = '' }) {
    for (const name of readdirSync(dir, { recursive: true }) as string[]) {
      if (!/\.(js|css|svg|html)$/.test(name)) continue;
      const bytes = readFileSync(join(dir, name));
      if (bytes.length < COMPRESSED_BYTES_MIN) continue;
      writeFileSync(join(dir, `${name}.br`), brotliCompressSync(bytes));
      writeFileSync(join(dir, `${name}.gz`), gzipSync(bytes, { level: 9 }));
    }
  },
});

export default defineConfig({
  plugins: [react(), compressed()],
  server: { host: '127.0.0.1', proxy: api },
  preview: { host: '127.0.0.1', proxy: api },
  build: {
    target: 'es2022',
    chunkSizeWarningLimit: 700,
    rolldownOptions: {
      // The contracts only declare: what a page does not use of them must not travel to it.
      treeshake: { moduleSideEffects: (id) => !id.includes('/control-plane/contracts/') },
    },
  },
});
