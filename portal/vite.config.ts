import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

/** Where `npm run dev` and `npm run preview` find the API; in production it serves the portal itself. */
const api = { '/v1': { target: process.env['ROBUSTMQ_URL'] ?? 'http://127.0.0.1:8080' } };

export default defineConfig({
  plugins: [react()],
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
