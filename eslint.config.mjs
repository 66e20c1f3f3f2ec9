import nx from '@nx/eslint-plugin';
import tseslint from 'typescript-eslint';
import { noFloatMoney } from './billing/no-float-money.mjs';

/** Who may import whom: docs/architecture.md, design rule "calls go down". Errors, not warnings. */
const ROOMS = {
  contracts: [],
  wire: [],
  store: ['wire'],
  journal: ['store', 'wire'],
  meta: ['store', 'wire'],
  broker: ['journal', 'meta', 'wire'],
  protocol: ['broker', 'wire'],
  node: ['wire', 'store', 'journal', 'meta', 'broker', 'protocol', 'contracts'],
  agent: ['contracts'],
  bench: [],
  sim: ['wire', 'store', 'journal', 'meta', 'broker', 'protocol'],
  db: ['contracts'],
  api: ['contracts', 'db'],
  client: ['contracts'],
  cli: ['client', 'contracts', 'rating'],
  rating: ['contracts'],
  billing: ['rating', 'contracts', 'db'],
  portal: ['client', 'contracts'],
  server: ['contracts', 'db', 'api', 'billing', 'agent', 'node'],
  tidy: [],
  e2e: ['client', 'contracts'],
};

const depConstraints = Object.entries(ROOMS).map(([room, may]) => ({
  sourceTag: `room:${room}`,
  onlyDependOnLibsWithTags: may.map((name) => `room:${name}`),
  ...(['wire', 'store', 'journal', 'meta', 'broker', 'protocol', 'node', 'agent'].includes(room)
    ? { bannedExternalImports: ['@nestjs/*', 'rxjs', '@prisma/*'] }
    : {}),
}));

/** Below `node`, time, chance, timers and logging come through constructors. */
const BELOW_NODE = ['wire', 'store', 'journal', 'meta', 'broker', 'protocols'].map(
  (room) => `data-plane/${room}/**/src/**/*.ts`,
);

export default tseslint.config(
  {
    ignores: [
      '**/dist/**',
      '**/generated/**',
      '**/node_modules/**',
      '**/*.mjs',
      '**/*.js',
      '**/*.config.ts',
      'vitest.setup.ts',
    ],
  },
  {
    files: ['**/*.ts', '**/*.tsx'],
    languageOptions: {
      parser: tseslint.parser,
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    plugins: { '@nx': nx, '@typescript-eslint': tseslint.plugin },
    rules: {
      '@nx/enforce-module-boundaries': ['error', { enforceBuildableLibDependency: false, allow: [], depConstraints }],
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: false }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-explicit-any': 'error',
      'no-console': 'error',
      eqeqeq: ['error', 'always'],
    },
  },
  {
    files: BELOW_NODE,
    ignores: ['**/*.test.ts', '**/testing/**'],
    rules: {
      'no-restricted-globals': ['error', 'setTimeout', 'setInterval', 'setImmediate', 'process', 'console'].map(
        (x) => x,
      ),
      'no-restricted-properties': [
        'error',
        { object: 'Date', property: 'now', message: 'take it from Runtime' },
        { object: 'Math', property: 'random', message: 'take it from Runtime' },
        { object: 'performance', property: 'now', message: 'take it from Runtime' },
      ],
    },
  },
  {
    files: [
      'control-plane/cli/**',
      'data-plane/bench/**',
      'data-plane/sim/src/main.ts',
      'infra/**',
      '**/*.test.ts',
      'e2e/**',
    ],
    rules: { 'no-console': 'off' },
  },
  {
    // a PDF is laid out in fractions of points
    files: ['billing/**/src/**/*.ts'],
    ignores: ['**/*.test.ts', '**/testing/**', 'billing/app/src/invoice-pdf.ts'],
    plugins: { money: { rules: { 'no-float': noFloatMoney } } },
    rules: { 'money/no-float': 'error' },
  },
  {
    // what builds a whole broker for tests needs a medium under it; shipped code of the room may not
    files: ['data-plane/broker/src/testing/**'],
    rules: { '@nx/enforce-module-boundaries': 'off' },
  },
);
