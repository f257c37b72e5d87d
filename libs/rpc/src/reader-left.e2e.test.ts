import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from '@jest/globals';

const library = JSON.stringify(new URL('../dist/index.js', import.meta.url).href);

/** Exit code and stderr of a program, over the built library, that prints for as long as it lives and is not read. */
async function unread(program: string): Promise<{ code: number | null; stderr: string }> {
  const lines = `${program}; setInterval(() => process.stdout.write('line\\n'), 10);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', lines]);
  child.stdout.destroy();
  let stderr = '';
  child.stderr.on('data', (text) => (stderr += String(text)));
  await once(child, 'close');
  return { code: child.exitCode, stderr };
}

describe('whenReaderLeaves', () => {
  it('tells once nobody reads any more', async () => {
    const ending = 'whenReaderLeaves(() => { process.stderr.write("alone"); process.exit(7); })';
    const program = `import { whenReaderLeaves } from ${library}; ${ending}`;
    expect(await unread(program)).toEqual({ code: 7, stderr: 'alone' });
  });
});

describe('endWithReader', () => {
  it('ends a program without a word, as SIGPIPE would', async () => {
    const program = `import { endWithReader } from ${library}; endWithReader()`;
    expect(await unread(program)).toEqual({ code: 141, stderr: '' });
  });
});
