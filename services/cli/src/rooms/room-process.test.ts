import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
});
