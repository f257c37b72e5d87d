import js from '@eslint/js';
import nx from '@nx/eslint-plugin';
import tseslint from 'typescript-eslint';

/** Who may import whom: services -> platform, contract, engine, text -> algorithm (docs/architecture.md). */
const boundaries = [
  { sourceTag: 'type:algorithm', onlyDependOnLibsWithTags: [] , bannedExternalImports: ['*'] },
  { sourceTag: 'type:contract', onlyDependOnLibsWithTags: [] },
  { sourceTag: 'type:text', onlyDependOnLibsWithTags: ['type:algorithm'] },
  { sourceTag: 'type:engine', onlyDependOnLibsWithTags: ['type:engine', 'type:algorithm'] },
  { sourceTag: 'type:platform', onlyDependOnLibsWithTags: ['type:platform', 'type:contract', 'type:algorithm'] },
  {
    sourceTag: 'type:service',
    onlyDependOnLibsWithTags: ['type:platform', 'type:contract', 'type:engine', 'type:text', 'type:algorithm'],
  },
  {
    sourceTag: 'type:app',
    onlyDependOnLibsWithTags: ['type:platform', 'type:contract', 'type:text', 'type:algorithm', 'type:model'],
  },
  { sourceTag: 'type:model', onlyDependOnLibsWithTags: ['type:engine', 'type:text', 'type:algorithm'] },
  {
    sourceTag: 'type:testing',
    onlyDependOnLibsWithTags: [
      'type:testing', 'type:platform', 'type:contract', 'type:engine', 'type:text', 'type:algorithm',
    ],
  },
];

const grpc = ['@grpc/*', 'nice-grpc', 'nice-grpc-*'];

/** An outside package that belongs to one room alone. */
const ownedBy = (tagOrRooms, names) => ({ rooms: tagOrRooms, names });
const owned = [
  ownedBy(['libs/engine-ort'], ['onnxruntime-node', 'onnxruntime-common']),
  ownedBy(['services/judge'], ['dockerode']),
  ownedBy(['libs/rpc', 'libs/contract'], grpc),
];

export default tseslint.config(
  { ignores: ['**/dist/**', '**/node_modules/**', '**/src/gen/**', '.nx/**', 'runs/**', '**/.venv/**'] },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { '@nx': nx },
    rules: {
      '@nx/enforce-module-boundaries': [
        'error',
        { enforceBuildableLibDependency: true, banTransitiveDependencies: true, allow: [], depConstraints: boundaries },
      ],
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/consistent-type-assertions': ['error', { assertionStyle: 'never' }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      'no-console': 'error',
    },
  },
  ...owned.map(({ rooms, names }) => ({
    files: ['**/*.ts'],
    ignores: rooms.map((room) => `${room}/**`),
    rules: { 'no-restricted-imports': ['error', { patterns: [{ group: names, message: `Only ${rooms.join(', ')} may import this.` }] }] },
  })),
  {
    files: ['**/*.ts'],
    ignores: ['**/config.ts', '**/main.ts', '**/*.test.ts'],
    rules: { 'no-process-env': 'off', 'no-restricted-properties': ['error', { object: 'process', property: 'env', message: 'Read the environment in config.ts.' }] },
  },
  {
    files: ['**/*.test.ts', 'libs/testing/**/*.ts'],
    rules: { '@typescript-eslint/consistent-type-assertions': 'off', '@typescript-eslint/no-non-null-assertion': 'off' },
  },
  {
    files: ['**/*.js', '**/*.mjs', '**/*.cjs'],
    languageOptions: { globals: { console: 'readonly', process: 'readonly', require: 'readonly', module: 'writable', globalThis: 'readonly', URL: 'readonly', setTimeout: 'readonly', clearTimeout: 'readonly', Buffer: 'readonly' } },
  },
);
