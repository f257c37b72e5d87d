import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { startRoomProcess } from '@backsight/testing';
import { whyNoSandbox } from './sandbox/real-sandbox.js';

const run = promisify(execFile);
const room = resolve(import.meta.dirname, '..');
const missing = await whyNoSandbox();

/** The block of a README in this language, and the one of plain text behind it. */
function worked(readme: string, language: string): readonly [code: string, output: string] {
  const [, code = '', output = ''] =
    new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\`\\n\\n\`\`\`\\n([^]*?)\`\`\``).exec(readme) ?? [];
  return [code, output];
}

(missing === undefined ? describe : describe.skip)(
  `the README of the judge${missing === undefined ? '' : ` (skipped: ${missing})`}`,
  () => {
    it('shows a client without Backsight’s own, and what that prints', async () => {
      const [code, output] = worked(await readFile(join(room, 'README.md'), 'utf8'), 'js');
      expect(code).toContain("'127.0.0.1:7102'");
      const judge = await startRoomProcess(join(room, 'dist/main.js'), {
        env: {
          BACKSIGHT_JUDGE_ADDRESS: '127.0.0.1:0',
          BACKSIGHT_JUDGE_SLOTS: '1',
          BACKSIGHT_JUDGE_LANGUAGES: 'python',
        },
      });
      try {
        const source = code.replace('127.0.0.1:7102', judge.address);
        const node = run(process.execPath, ['--input-type=module', '-e', source], {
          cwd: resolve(room, '../..'),
        });
        expect((await node).stdout).toBe(output);
      } finally {
        await judge.stop();
      }
    }, 60_000);
  },
);
