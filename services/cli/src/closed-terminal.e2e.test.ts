import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { processesOf, program, TemporaryFolders } from './run-backsight.js';

/** Runs a command in a terminal, closes its window once the command says `Ctrl-C`, and prints how the command ended. */
const closeWindow = `
import os, pty, sys
pid, window = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
said = b""
while b"Ctrl-C" not in said:
    said += os.read(window, 4096)
os.close(window)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;
const hungUp = '-1\n';

const folders = new TemporaryFolders();
afterAll(() => folders.remove());

describe('backsight up', () => {
  it('stops its rooms in order when the window of its terminal is closed', async () => {
    const folder = await folders.make();
    const tasks = join(folder, 'tasks.jsonl');
    await writeFile(
      tasks,
      '{"task_id": "a", "prompt": "Print 1.", "tests": [{"input": "", "output": "1"}]}\n',
    );
    const house = ['up', '--port', '18300', '--threads', '1', '--data', folder, '--tasks', tasks];
    const terminal = spawn('python3', ['-c', closeWindow, process.execPath, program, ...house]);
    let ended = '';
    for await (const text of terminal.stdout) ended += String(text);
    expect(ended).toBe(hungUp);
    for (const room of ['coordinator', 'policy', 'judge'])
      expect(await readFile(join(folder, `logs/${room}.log`), 'utf8')).toMatch(
        /"why":"SIGTERM","msg":"draining"/,
      );
    expect(await processesOf(folder)).toEqual([]);
  }, 60_000);
});
