import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { runToEnd, startRoomProcess } from './index.js';

let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'backsight-testing-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

async function program(source: string): Promise<string> {
  const path = join(folder, `${Math.random()}.mjs`);
  await writeFile(path, source);
  return path;
}

const listening = "console.log('room listening on 127.0.0.1:7199');";

describe('startRoomProcess', () => {
  it('reads the address from the line of the room, and stops it', async () => {
    const room = await startRoomProcess(await program(`${listening} setInterval(() => 0, 1000);`));
    expect(room.address).toBe('127.0.0.1:7199');
    expect(await room.stop('SIGTERM')).toEqual({ code: null, signal: 'SIGTERM' });
  });

  it('gives the room the environment it was given, and nothing else', async () => {
    const source = `console.log(JSON.stringify(process.env)); ${listening} setInterval(() => 0, 1000);`;
    const room = await startRoomProcess(await program(source), { env: { X: '1' } });
    await room.stop();
    expect(JSON.parse(room.stdout().split('\n')[0] ?? '')).toEqual({ X: '1' });
  });

  it('rejects with the words of a room that ends before it listens', async () => {
    const start = startRoomProcess(await program("console.error('no model'); process.exit(3);"));
    await expect(start).rejects.toThrow(/ended with code 3 before it listened\nno model/);
  });

  it('kills a room that does not listen in time', async () => {
    const start = startRoomProcess(await program('setInterval(() => 0, 1000);'), { timeoutMs: 200 });
    await expect(start).rejects.toThrow(/no line .* within 200 ms/);
  });
});

describe('runToEnd', () => {
  it('returns what the process wrote and how it ended', async () => {
    const end = await runToEnd(await program("console.log('a'); console.error('b'); process.exitCode = 2;"));
    expect(end).toEqual({ code: 2, signal: null, stdout: 'a\n', stderr: 'b\n' });
  });
});
