/** The boundaries of eslint.boundaries.js refuse what they should: each offence is linted as if it lay in its room. */
import { spawnSync } from 'node:child_process';
import { beforeAll, describe, expect, it } from '@jest/globals';
import ts from 'typescript';
import { rooms } from '../eslint.boundaries.js';

const root = new URL('..', import.meta.url).pathname;
const boundaries = '@nx/enforce-module-boundaries';
const restricted = 'no-restricted-imports';

const refused = [
  ['a service that imports a service', 'services/coordinator/src/x.ts', '@backsight/judge', boundaries],
  [
    'a service that imports a service in a test',
    'services/cli/src/x.test.ts',
    '@backsight/judge',
    boundaries,
  ],
  ['a service reached by a relative path', 'services/tools/src/x.ts', '../../judge/src/index.js', boundaries],
  ['a library that imports a service', 'libs/rpc/src/x.ts', '@backsight/policy', boundaries],
  ['an engine that imports the platform', 'libs/engine/src/x.ts', '@backsight/rpc', boundaries],
  ['text that imports the contract', 'libs/renderer/src/x.ts', '@backsight/contract', boundaries],
  [
    'a service that imports testing outside a test',
    'services/policy/src/x.ts',
    '@backsight/testing',
    boundaries,
  ],
  [
    'a service that imports conformance outside a test',
    'services/policy/src/x.ts',
    '@backsight/conformance',
    boundaries,
  ],
  ['a package that no package.json declares', 'services/judge/src/x.ts', 'minimist', boundaries],
  ['the algorithm importing Node', 'libs/sdpo/src/x.ts', 'node:fs', restricted],
  ['the algorithm importing a package', 'libs/sdpo/src/x.ts', 'zod', restricted],
  ['the algorithm importing the workspace', 'libs/sdpo/src/x.ts', '@backsight/engine', restricted],
  ['the algorithm importing fast-check outside a test', 'libs/sdpo/src/x.ts', 'fast-check', restricted],
  ['a test of the algorithm importing Node', 'libs/sdpo/src/x.test.ts', 'node:fs', restricted],
  ['onnxruntime-node outside engine-ort', 'libs/engine/src/x.ts', 'onnxruntime-node', restricted],
  ['onnxruntime-node in the command line', 'services/cli/src/x.ts', 'onnxruntime-node', restricted],
  ['onnxruntime-node in a service', 'services/policy/src/x.ts', 'onnxruntime-node', restricted],
  ['dockerode outside the judge', 'services/tools/src/x.ts', 'dockerode', restricted],
  ['nice-grpc outside rpc', 'services/policy/src/x.ts', 'nice-grpc', restricted],
  ['grpc-js outside rpc', 'libs/environment/src/x.ts', '@grpc/grpc-js', restricted],
  ['the query layer outside the coordinator', 'services/judge/src/x.ts', 'kysely', restricted],
];

const accepted = [
  [
    'a service that imports the kit for environments',
    'services/coordinator/src/x.ts',
    '@backsight/environment',
  ],
  ['a test that imports testing', 'services/policy/src/x.test.ts', '@backsight/testing'],
  ['a test that imports conformance', 'services/policy/src/x.test.ts', '@backsight/conformance'],
  ['the command line that imports what an engine knows', 'services/cli/src/x.ts', '@backsight/engine'],
  ['the command line that imports suites', 'services/cli/src/x.ts', '@backsight/conformance/suites'],
  ['a test of the algorithm that imports fast-check', 'libs/sdpo/src/x.test.ts', 'fast-check'],
  ['the algorithm importing its own file', 'libs/sdpo/src/x.ts', './objective.js'],
  ['onnxruntime-node in engine-ort', 'libs/engine-ort/src/x.ts', 'onnxruntime-node'],
  ['grpc-js in rpc', 'libs/rpc/src/x.ts', '@grpc/grpc-js'],
  ['the query layer in the coordinator', 'services/coordinator/src/x.ts', 'kysely'],
];

const impure = [
  ['an import at run time', "export const read = () => import('node:fs');", 'no-restricted-syntax'],
  ['the clock', 'export const now = () => Date.now();', 'no-restricted-globals'],
  ['unseeded randomness', 'export const draw = () => Math.random();', 'no-restricted-properties'],
];

describe('the module boundaries', () => {
  let findings = [];

  beforeAll(() => {
    const importing = ([, filePath, from]) => ({
      filePath,
      code: `import * as thing from '${from}';\nexport const it = thing;\n`,
    });
    const snippets = [
      ...refused.map(importing),
      ...accepted.map(importing),
      ...impure.map(([, code]) => ({ filePath: 'libs/sdpo/src/x.ts', code })),
    ];
    findings = lint(snippets).map((messages) => messages.map(({ ruleId }) => ruleId));
  }, 120_000);

  it.each(refused.map(([what, , , rule], index) => [what, rule, index]))(
    'refuse %s',
    (_what, rule, index) => {
      expect(findings[index]).toContain(rule);
    },
  );

  it.each(accepted.map(([what], index) => [what, refused.length + index]))('accept %s', (_what, index) => {
    expect(findings[index]).toEqual([]);
  });

  it.each(impure.map(([what, , rule], index) => [what, rule, refused.length + accepted.length + index]))(
    'refuse %s in the algorithm',
    (_what, rule, index) => {
      expect(findings[index]).toContain(rule);
    },
  );

  it('give every service the same type, so that none may import another', () => {
    const services = rooms.filter(
      ({ folder }) => folder.startsWith('services/') && folder !== 'services/cli',
    );
    expect(new Set(services.map(({ type }) => type))).toEqual(new Set(['service']));
  });
});

describe("the algorithm's compiler settings", () => {
  const globals = ['process', 'Buffer', 'setTimeout', 'console', 'fetch'];

  it.each(globals)('know no %s', (name) => {
    expect(typeErrors(`export const it = ${name};\n`)).toEqual([
      expect.stringContaining(`Cannot find name '${name}'`),
    ]);
  });

  it('accept what is pure', () => {
    expect(typeErrors('export const it = Math.log(2);\n')).toEqual([]);
  });
});

/** What ESLint says of each snippet, with this repository's configuration. */
function lint(snippets) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/lint-snippets.mjs'], {
    cwd: root,
    input: JSON.stringify(snippets),
    encoding: 'utf8',
    env: { ...process.env, NX_DAEMON: 'false' },
  });
  if (status !== 0) throw new Error(`the linter did not run: ${stderr}`);
  return JSON.parse(stdout);
}

/** What the compiler says of a text that lies in libs/sdpo/src only in its imagination. */
function typeErrors(code) {
  const file = `${root}libs/sdpo/src/imagined.ts`;
  const config = ts.getParsedCommandLineOfConfigFile(
    `${root}libs/sdpo/tsconfig.lib.json`,
    {},
    {
      ...ts.sys,
      onUnRecoverableConfigFileDiagnostic: ({ messageText }) => {
        throw new Error(ts.flattenDiagnosticMessageText(messageText, '\n'));
      },
    },
  );
  const host = ts.createCompilerHost(config.options);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (name) => name === file || fileExists(name);
  host.readFile = (name) => (name === file ? code : readFile(name));
  host.getSourceFile = (name, ...rest) =>
    name === file ? ts.createSourceFile(name, code, ...rest) : getSourceFile(name, ...rest);
  const program = ts.createProgram([file], config.options, host);
  return program
    .getSemanticDiagnostics(program.getSourceFile(file))
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}
