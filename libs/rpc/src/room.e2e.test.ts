import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { waitUntilServing } from './index.js';

/** A room as its main.js would be, over the built library; `slow` makes its shutdown last so many milliseconds. */
const program = `
import { readSettings, roomSettings, runRoom, serve } from ${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)};
const settings = roomSettings('demo', '127.0.0.1:0');
await runRoom({
  name: 'demo',
  graceMs: 500,
  about: 'A room of a test.',
  settings,
  flags: { slow: 'BACKSIGHT_SLOW' },
  environment: process.env,
  config: (environment) => ({ ...readSettings(environment, settings), slow: environment.BACKSIGHT_SLOW }),
  start: async (config, { logger, signal }) => {
    signal.addEventListener('abort', () => process.stdout.write('told to stop\\n'));
    const server = await serve({ name: 'demo', services: [], logger, ...config });
    return config.slow ? { ...server, shutdown: () => new Promise((end) => setTimeout(end, config.slow)) } : server;
  },
});`;

interface Running {
  readonly child: ChildProcess;
  readonly output: { out: string; err: string };
  /** Exit code or signal. */
  readonly ended: Promise<number | string | null>;
}

const running: Running[] = [];

afterEach(async () => {
  for (const { child, ended } of running.splice(0)) {
    child.kill('SIGKILL');
    await ended;
  }
});

function run(env: Record<string, string> = {}, ...args: string[]): Running {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, '--', 'main.js', ...args], {
    env,
    stdio: ['pipe', 'pipe', 'pipe', 'ipc'],
  });
  const output = { out: '', err: '' };
  child.stdout?.on('data', (chunk) => (output.out += String(chunk)));
  child.stderr?.on('data', (chunk) => (output.err += String(chunk)));
  const exited = new Promise<number | string | null>((resolve) => {
    child.once('exit', (code, signal) => {
      resolve(code ?? signal);
    });
  });
  const read = [child.stdout, child.stderr].map(
    (stream) => new Promise((resolve) => stream?.once('end', resolve)),
  );
  const ended = Promise.all(read).then(() => exited);
  const each = { child, output, ended };
  running.push(each);
  return each;
}

async function listening({ output }: Running): Promise<string> {
  for (let i = 0; i < 1000 && !output.out.includes('\n'); i++) await delay(10);
  return /^demo listening on (\S+)\n/.exec(output.out)?.[1] ?? `nothing: ${output.err}`;
}

describe('runRoom', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('says where it listens, and drains on %s', async (signal) => {
    const room = run();
    await waitUntilServing(await listening(room));
    room.child.kill(signal);
    expect(await room.ended).toBe(0);
    expect(room.output.out).toMatch(/told to stop\n$/);
  });

  it('drains when the channel to the parent that forked it ends, as when the parent is killed', async () => {
    const room = run();
    await listening(room);
    room.child.disconnect();
    expect(await room.ended).toBe(0);
  });

  it('exits at once on a second signal', async () => {
    const room = run({}, '--slow=30000');
    await listening(room);
    room.child.kill('SIGTERM');
    await delay(200);
    room.child.kill('SIGTERM');
    expect(await room.ended).toBe(1);
  });

  it('drains on SIGHUP, however often it comes, and then ends by it', async () => {
    const room = run({}, '--slow=500');
    await listening(room);
    room.child.kill('SIGHUP');
    await delay(200);
    room.child.kill('SIGHUP');
    expect(await room.ended).toBe('SIGHUP');
    expect(room.output.out).toMatch(/told to stop\n$/);
    expect(room.output.err).toMatch(/"why":"SIGHUP","msg":"draining"}\n$/);
  });

  it('says in one sentence that its address is taken, with exit code 1', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const bound = taken.address();
    const address = `127.0.0.1:${typeof bound === 'object' && bound !== null ? bound.port : 0}`;
    const room = run({ BACKSIGHT_DEMO_ADDRESS: address });
    expect(await room.ended).toBe(1);
    taken.close();
    expect(room.output).toEqual({
      out: '',
      err: `demo: the address ${address} is in use by another process: stop that process or choose another address\n`,
    });
  });

  it('prints what it reads when asked for help, and nothing else', async () => {
    const room = run({ BACKSIGHT_DEMO_ADDRESS: 'nowhere' }, '--help');
    expect(await room.ended).toBe(0);
    expect(room.output.err).toBe('');
    expect(room.output.out).toMatch(/^demo: A room of a test\.\n[^]*\n {2}BACKSIGHT_DEMO_ADDRESS\n/);
  });

  it('says every problem of its settings on a line of its own', async () => {
    const room = run({ BACKSIGHT_DEMO_ADDRESS: 'nowhere', BACKSIGHT_DEMO_LOG_LEVEL: 'loud' });
    expect(await room.ended).toBe(1);
    expect(room.output.err.trim().split('\n')).toEqual([
      expect.stringMatching(/^demo: BACKSIGHT_DEMO_ADDRESS must be an address/),
      expect.stringMatching(/^demo: BACKSIGHT_DEMO_LOG_LEVEL must be one of silent, /),
    ]);
  });
});
