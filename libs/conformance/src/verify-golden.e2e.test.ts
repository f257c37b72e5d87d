import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const main = join(import.meta.dirname, '../dist/verify-golden.js');

describe('npm run verify:golden', () => {
  it('ends without a word when its reader has left', async () => {
    const child = spawn(process.execPath, [main]);
    child.stdout.destroy();
    let stderr = '';
    child.stderr.on('data', (text) => (stderr += String(text)));
    expect(await once(child, 'close')).toEqual([141, null]);
    expect(stderr).toBe('');
  }, 60_000);
});
