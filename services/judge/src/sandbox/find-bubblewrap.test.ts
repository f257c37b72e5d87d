import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findBubblewrap } from './find-bubblewrap.js';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'backsight-bwrap-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

/** A program that answers as bwrap might. */
async function saying(answer: string): Promise<string> {
  const path = join(folder, answer.replaceAll(' ', '-'));
  await writeFile(path, `#!/bin/sh\necho '${answer}'\n`);
  await chmod(path, 0o755);
  return path;
}

describe('findBubblewrap', () => {
  it.each(['bubblewrap 0.8.0', 'bubblewrap 0.11.0', 'bubblewrap 1.0'])('takes %s', async (version) => {
    const path = await saying(version);
    expect(await findBubblewrap(path)).toBe(path);
  });

  it('refuses an old one, and none', async () => {
    const old = await saying('bubblewrap 0.4.1');
    await expect(findBubblewrap(old)).rejects.toThrow(
      `No bubblewrap to isolate programs with: ${old} is 0.4.1, older than 0.8. Install it`,
    );
    await expect(findBubblewrap(join(folder, 'none'))).rejects.toThrow(/none does not run\. Install it/);
  });
});
