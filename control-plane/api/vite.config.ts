import { defineConfig } from 'vite';

/** Nest's decorators cannot run by type stripping: one ES module, every package left outside. */
export default defineConfig({
  oxc: { decorator: { legacy: true, emitDecoratorMetadata: true } },
  build: {
    ssr: 'src/main.ts',
    outDir: 'dist',
    target: 'node24',
    sourcemap: true,
    rolldownOptions: { external: [/^[^./]/], output: { entryFileNames: 'main.js', codeSplitting: false } },
  },
  ssr: { external: true },
});
