/** `buf breaking` refuses a change of the contracts that would break those who already speak them. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

const root = new URL('..', import.meta.url).pathname;
const judge = 'protos/backsight/judge/v1/judge.proto';

describe('buf breaking against protos/released.binpb', () => {
  let folder = '';

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'backsight-protos-'));
    cpSync(join(root, 'protos'), join(folder, 'protos'), { recursive: true });
    cpSync(join(root, 'buf.yaml'), join(folder, 'buf.yaml'));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it('accepts the contracts as they are', () => {
    expect(breaking()).toEqual({ status: 0, output: '' });
  });

  it('refuses a field that was removed', () => {
    change((proto) => proto.replace(/^ {2}IsolationTier isolation = \d+;$/m, ''));
    expect(breaking()).toMatchObject({
      status: 100,
      output: expect.stringMatching(/"isolation".*was deleted/),
    });
  });

  it('refuses a field whose number changed', () => {
    change((proto) => proto.replace(/(^ {2}IsolationTier isolation =) \d+;$/m, '$1 99;'));
    expect(breaking()).toMatchObject({ status: 100 });
  });

  it('refuses an RPC that was removed', () => {
    change((proto) => proto.replace(/^ {2}rpc Execute\([^]*?\n {2}}$/m, ''));
    expect(breaking()).toMatchObject({ status: 100, output: expect.stringContaining('"Execute"') });
  });

  it('accepts a new field', () => {
    change((proto) => proto.replace(/^( {2}IsolationTier isolation = \d+;)$/m, '$1\n  string note = 99;'));
    expect(breaking()).toEqual({ status: 0, output: '' });
  });

  /** Rewrites a copy of judge.proto; throws if the change changes nothing. */
  function change(edit) {
    const path = join(folder, judge);
    const before = readFileSync(path, 'utf8');
    const after = edit(before);
    if (after === before) throw new Error(`${judge} no longer has what this test changes`);
    writeFileSync(path, after);
  }

  function breaking() {
    const { status, stdout, stderr } = spawnSync(
      join(root, 'node_modules/.bin/buf'),
      ['breaking', '--against', join(folder, 'protos/released.binpb')],
      { cwd: folder, encoding: 'utf8' },
    );
    return { status, output: stdout + stderr };
  }
});
