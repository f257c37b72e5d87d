/** How this repository is linted; who may import whom stands in eslint.boundaries.js. */
import js from '@eslint/js';
import nx from '@nx/eslint-plugin';
import tseslint from 'typescript-eslint';
import { depConstraints, restrictedImports } from './eslint.boundaries.js';

export default tseslint.config(
  { ignores: ['**/dist/**', '**/node_modules/**', '**/src/gen/**', '.nx/**', 'runs/**', '**/.venv/**'] },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { '@nx': nx },
    rules: {
      ...moduleBoundaries({ inTests: false }),
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/consistent-type-assertions': ['error', { assertionStyle: 'never' }],
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      'no-console': 'error',
    },
  },
  {
    files: ['**/*.ts'],
    ignores: ['**/config.ts', '**/main.ts', '**/*.test.ts'],
    rules: {
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'env', message: 'Read the environment in config.ts.' },
      ],
    },
  },
  ...restrictedImports(),
  {
    files: ['**/*.test.ts'],
    rules: moduleBoundaries({ inTests: true }),
  },
  {
    files: ['**/*.test.ts', 'libs/testing/**/*.ts'],
    rules: {
      '@typescript-eslint/consistent-type-assertions': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
  {
    files: ['**/*.js', '**/*.mjs', '**/*.cjs'],
    languageOptions: { globals: nodeGlobals() },
  },
);

function moduleBoundaries(where) {
  const options = { enforceBuildableLibDependency: true, banTransitiveDependencies: true, allow: [] };
  return {
    '@nx/enforce-module-boundaries': ['error', { ...options, depConstraints: depConstraints(where) }],
  };
}

/** What plain scripts may use without importing it. */
function nodeGlobals() {
  const names = [
    'console',
    'process',
    'require',
    'module',
    'globalThis',
    'URL',
    'setTimeout',
    'clearTimeout',
    'performance',
    'Buffer',
  ];
  return Object.fromEntries(names.map((name) => [name, name === 'module' ? 'writable' : 'readonly']));
}
