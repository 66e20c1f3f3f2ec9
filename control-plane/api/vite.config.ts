import { defineConfig } from 'vite';

/** Nest's decorators cannot run by type stripping: one ES module, every package left outside. */
export default defineConfig({
  oxc: { decorator: { legacy: true, emitDecoratorMetadata: true } },
  build: {
    ssr: 'src/main.ts',
    outDir: 'dist',
    target: 'node24',
    sourcemap: true,
    rolldownOptions: {
      external: [/^(?!@oxc-project)[^./\0]/],
      // main.js turns the compile cache on and then loads the rest
      output: { entryFileNames: 'main.js', chunkFileNames: 'serve.js' },
    },
  },
  // the decorators' helpers are no package of ours: they go into the bundle
  ssr: { external: true, noExternal: [/^@oxc-project/] },
});
