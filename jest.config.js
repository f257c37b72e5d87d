/** One jest project per room, so that `jest --selectProjects judge` runs one room's tests; `scripts` is the tooling's. */
import { rooms } from './eslint.boundaries.js';

// What libs/engine-ort says to onnxruntime where it is no test: a test's environment is a copy, which native code does not see.
process.env.ORT_DISABLE_TELEMETRY = '1';

const at = (path) => new URL(path, import.meta.url).pathname;

const room = ({ folder }) => ({
  displayName: folder === 'deploy/verify' ? 'deploy' : folder.split('/').at(-1),
  rootDir: at(`./${folder}`),
  testMatch: ['<rootDir>/src/**/*.test.ts'],
  // The judge's slots have their folders where the machine has them, whatever TMPDIR says.
  testEnvironment: at(`./scripts/jest-${folder === 'services/judge' ? 'host' : 'tidy'}-environment.cjs`),
  testEnvironmentOptions: { customExportConditions: ['backsight-source', 'node', 'node-addons'] },
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
});

const tooling = {
  displayName: 'scripts',
  rootDir: at('./scripts'),
  testMatch: ['<rootDir>/*.test.mjs'],
  testEnvironment: 'node',
  moduleFileExtensions: ['mjs', 'js', 'cjs', 'json', 'node'],
  transform: {},
};

export default { projects: [...rooms.map(room), tooling], testTimeout: 30_000 };
