import { readdirSync, existsSync } from 'node:fs';

/** One jest project per room, so that `jest --selectProjects judge` runs one room's tests. */
const rooms = ['libs', 'services', 'models'].flatMap((floor) =>
  readdirSync(new URL(`./${floor}`, import.meta.url))
    .filter((name) => existsSync(new URL(`./${floor}/${name}/package.json`, import.meta.url)))
    .map((name) => ({ name, rootDir: new URL(`./${floor}/${name}`, import.meta.url).pathname })),
);

const room = ({ name, rootDir }) => ({
  displayName: name,
  rootDir,
  testMatch: ['<rootDir>/src/**/*.test.ts'],
  // Native modules (onnxruntime-node) check typed arrays against the host's classes.
  testEnvironment: new URL('./scripts/jest-host-environment.cjs', import.meta.url).pathname,
  testEnvironmentOptions: { customExportConditions: ['backsight-source', 'node', 'node-addons'] },
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { parser: { syntax: 'typescript' }, target: 'es2022' }, module: { type: 'es6' }, sourceMaps: 'inline' },
    ],
  },
});

export default { projects: rooms.map(room), testTimeout: 30_000 };
