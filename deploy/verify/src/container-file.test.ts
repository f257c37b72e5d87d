import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { containerFileChecks, torchFileChecks } from './container-file.js';

const root = join(import.meta.dirname, '../../..');
const text = readFileSync(join(root, 'deploy/docker/Dockerfile'), 'utf8');

describe('containerFileChecks', () => {
  it('find nothing wrong with the container file', () => {
    expect(problemsOf(text)).toEqual([]);
  });

  it.each([
    ['a source that is not there', 'COPY . .', 'COPY no-such-folder .', /no-such-folder: no such file/],
    ['a stage that is not there', '--from=packages', '--from=parcels', /no stage parcels/],
    ['a room without a base', ' AS base-tools', ' AS base-tool', /no stage base-tools/],
    ['a base without a room', ' AS base-tools', ' AS base-tool', /base-tool: no such folder/],
    ['a user that is root', 'USER 10001:10001', 'USER root', /numbered user/],
    ['npm at run time', '["node", "room/dist/main.js"]', '["npm", "start"]', /nothing of npm/],
    [
      'a room with npm',
      'FROM runtime AS base-judge',
      'FROM ${NODE_IMAGE} AS base-judge',
      /base-judge is not made/,
    ],
    ['a runtime with npm', 'rm -rf /usr/local/lib/node_modules', 'rm -rf', /does not remove npm/],
    ['Python that each slot compiles', '-m compileall', '-m compileone', /the Python of a room is compiled/],
    [
      'other large pages',
      'malloc.hugetlb=1',
      'malloc.hugetlb=2',
      /base-policy does not say ENV GLIBC_TUNABLES=/,
    ],
    [
      'large pages for another room',
      ' AS base-policy\n',
      ' AS base-policy\nFROM runtime AS base-tools\n',
      /base-policy does not say/,
    ],
    ['a shell before the room', '["node", "room/dist/main.js"]', 'node room/dist/main.js', /without a shell/],
  ])('refuse %s', (_what, from, to, problem) => {
    expect(text).toContain(from);
    expect(problemsOf(text.replace(from, to))).toContainEqual(expect.stringMatching(problem));
  });
});

describe('torchFileChecks', () => {
  const torch = readFileSync(join(root, 'deploy/docker/policy-torch.Dockerfile'), 'utf8');
  const problemsOfTorch = (file: string) =>
    torchFileChecks(file, root).flatMap(({ name, problems }) => problems.map(() => name));

  it('find nothing wrong with the container file', () => {
    expect(problemsOfTorch(torch)).toEqual([]);
  });

  it.each([
    ['a source that is not there', 'COPY protos ', 'COPY no-such-folder ', 'all that it copies is there'],
    ['a source that is ignored', 'COPY protos ', 'COPY libs ', 'what it ignores lets in all that it copies'],
    ['a stage that is not there', '--from=build', '--from=built', 'it copies from stages that it has'],
    ['a user that is root', 'USER 10001:10001', 'USER root', 'it runs as a numbered user that is not root'],
    ['a build that is fixed', '--torch "${TORCH}"', '--torch gpu', 'the argument chooses the build'],
    ['a linter at run time', 'pip uninstall', 'pip list', 'what checks the room is not in it'],
    [
      'a shell before the room',
      '["/app/services/policy-torch/.venv/bin/python"]',
      'python',
      'the room is the process itself, without a shell',
    ],
  ])('refuse %s', (_what, from, to, problem) => {
    expect(torch).toContain(from);
    expect(problemsOfTorch(torch.replaceAll(from, to))).toContain(problem);
  });
});

function problemsOf(containerFile: string): string[] {
  return containerFileChecks(containerFile, root).flatMap(({ name, problems }) =>
    problems.map((problem) => `${name}: ${problem}`),
  );
}
