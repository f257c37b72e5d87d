import { existsSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { findToolchains } from './find-toolchains.js';
import { NoSandbox } from './sandbox.js';

const names = async (...given: Parameters<typeof findToolchains>): Promise<readonly string[]> =>
  (await findToolchains(...given)).map(({ name }) => name);
const compiler = existsSync('/usr/bin/g++');

describe('findToolchains', () => {
  it('finds Python first, then all that is there', async () => {
    expect(await names(undefined, undefined)).toEqual(['python', ...(compiler ? ['cpp'] : []), 'javascript']);
  });

  it('takes no more than is asked for, and Python always', async () => {
    expect(await names(['javascript'], undefined)).toEqual(['python', 'javascript']);
    expect(await names([], undefined)).toEqual(['python']);
  });

  (compiler ? it.skip : it)('says that a compiler that was asked for is missing', async () => {
    await expect(findToolchains(['cpp'], undefined)).rejects.toThrow(NoSandbox);
  });

  it('says which kinds of run a language takes', async () => {
    for (const { name, runs, version } of await findToolchains(undefined, undefined)) {
      expect(runs).toEqual(name === 'cpp' ? ['stdio'] : ['stdio', 'call', 'check']);
      expect(version).toMatch(/^\d+\.\d+/);
    }
  });
});
