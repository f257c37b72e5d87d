import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startRoom } from './room-process.js';

describe('startRoom', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'room-process-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  /** What a program sees of the variables A, B and C. */
  async function seen(environment: NodeJS.ProcessEnv): Promise<string | undefined> {
    const program = `
      const { A, B, C } = process.env;
      console.log(['saw', A, B, C].join(' '));
      console.log('policy listening on nowhere');
      setInterval(() => undefined, 1000);`;
    const logFile = join(folder, 'policy.log');
    const room = await startRoom(
      {
        room: 'policy',
        command: [process.execPath, '-e', program],
        defaults: { A: 'default', B: 'default' },
        settings: { C: 'set' },
        logFile,
        startTimeoutMs: 30_000,
      },
      environment,
    );
    await room.stop();
    return (await readFile(logFile, 'utf8')).split('\n').find((line) => line.startsWith('saw'));
  }

  it('sets variables over those of the environment, and gives defaults where it has none', async () => {
    expect(await seen({ B: 'mine', C: 'mine' })).toBe('saw default mine set');
  });

  it('gives up a start at once when it is told to, and leaves no process behind', async () => {
    const giveUp = new AbortController();
    const pidFile = join(folder, 'pid');
    const program = `
      require('node:fs').writeFileSync(${JSON.stringify(pidFile)}, String(process.pid));
      setInterval(() => undefined, 1000);`;
    const starting = startRoom(
      {
        room: 'policy',
        command: [process.execPath, '-e', program],
        settings: {},
        logFile: join(folder, 'policy.log'),
        startTimeoutMs: 30_000,
        signal: giveUp.signal,
      },
      {},
    );
    const pid = await written(pidFile);
    giveUp.abort();
    await expect(starting).rejects.toThrow('The policy room was stopped before it had started.');
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });
});

/** The number that a program writes into a file as soon as it runs. */
async function written(file: string): Promise<number> {
  for (;;) {
    const text = await readFile(file, 'utf8').catch(() => '');
    if (text !== '') return Number(text);
    await delay(10);
  }
}
