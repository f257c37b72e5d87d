/** The commands of a fresh clone, in a repository of three files whose npm and compiler only write down that they were called. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

const packages = { '': {}, 'node_modules/one': { version: '1.0.0' } };
const npm = `#!/bin/sh
echo "npm $*" >> calls
if [ "$1" = ci ]; then /bin/mkdir -p node_modules && /bin/cp package-lock.json node_modules/.package-lock.json; fi
if [ "$2" = --silent ]; then /bin/mkdir -p libs/contract/src/gen && : > libs/contract/descriptors.binpb; fi
`;
const program = `
process.on('SIGTERM', () => process.exit(9));
process.stdout.write(JSON.stringify(process.argv.slice(2)) + '\\n');
if (process.argv[2] === 'wait') setInterval(() => undefined, 1000);
else process.exitCode = 7;
`;

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'backsight-run-'));
  write('package.json', JSON.stringify({ type: 'module', engines: { node: '>=20.19.0' } }));
  write('package-lock.json', JSON.stringify({ packages }));
  write('protos/one.proto', '');
  for (const name of ['buf.yaml', 'buf.gen.yaml', 'calls']) write(name, '');
  write('bin/npm', npm, 0o755);
  write('node_modules/.bin/tsc', '#!/bin/sh\necho "tsc $*" >> calls\n', 0o755);
  write('program.js', program);
  for (const name of ['command', 'install', 'build', 'run']) {
    cpSync(new URL(`${name}.mjs`, import.meta.url).pathname, join(folder, `scripts/${name}.mjs`));
  }
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('scripts/run.mjs', () => {
  it('installs, generates and compiles what is not there, and then only asks the compiler', async () => {
    await run('program.js').ended;
    expect(calls()).toEqual([expect.stringMatching(/^npm ci /), 'npm run --silent generate', 'tsc -b']);
    const { stderr } = await run('program.js').ended;
    expect(calls().slice(3)).toEqual(['tsc -b']);
    expect(stderr).not.toContain('installing');
  });

  it('generates again when a contract has changed', async () => {
    await run('program.js').ended;
    utimesSync(join(folder, 'protos/one.proto'), new Date(), new Date(Date.now() + 5000));
    await run('program.js').ended;
    expect(calls().slice(3)).toEqual(['npm run --silent generate', 'tsc -b']);
  });

  it('installs again when the lockfile asks for another version', async () => {
    await run('program.js').ended;
    write('package-lock.json', JSON.stringify({ packages: { 'node_modules/one': { version: '1.0.1' } } }));
    await run('program.js').ended;
    expect(calls()[3]).toMatch(/^npm ci /);
  });

  it('passes every argument on, keeps stdout to the program, and ends with its exit code', async () => {
    const args = ['--unknown', 'two words', '--', '-x=$HOME'];
    expect(await run('program.js', ...args).ended).toMatchObject({
      code: 7,
      stdout: `${JSON.stringify(args)}\n`,
    });
  });

  it('passes SIGTERM on and waits for the program', async () => {
    const { child, ended } = run('program.js', 'wait');
    await once(child.stdout, 'data');
    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ code: 9 });
  });

  it.each(['SIGINT', 'SIGTERM'])('leaves no npm behind when %s comes while it installs', async (signal) => {
    write('bin/npm', "#!/bin/sh\ntrap '' INT TERM\necho $$ > id\nwhile :; do /bin/sleep 0.05; done\n", 0o755);
    const { child, ended } = run('program.js');
    while (!existsSync(join(folder, 'id')) || read('id') === '') await delay(10);
    child.kill(signal);
    expect(await ended).toMatchObject({ code: 128 + constants.signals[signal], stdout: '' });
    expect(() => process.kill(Number(read('id')), 0)).toThrow('ESRCH');
  });

  it('shows what the compiler says, and runs nothing', async () => {
    write('node_modules/.bin/tsc', '#!/bin/sh\necho "one.ts(1,1): error"\nexit 2\n', 0o755);
    expect(await run('program.js').ended).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/The build failed:\none\.ts\(1,1\): error\n/),
    });
  });

  it.each([
    [
      'Node is too old',
      () => write('package.json', '{"engines":{"node":">=99.0.0"}}'),
      /^Node 99\.0\.0 or newer is needed; this is /,
    ],
    ['npm is not there', () => rmSync(join(folder, 'bin/npm')), /npm could not be started: /],
    [
      'npm fails',
      () => write('bin/npm', '#!/bin/sh\nexit 1\n', 0o755),
      /npm ci failed; what it said stands above\.\n$/,
    ],
  ])('says in one sentence that %s', async (_what, spoil, sentence) => {
    spoil();
    expect(await run('program.js').ended).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(sentence),
    });
    expect(existsSync(join(folder, 'libs'))).toBe(false);
  });
});

describe('scripts/build.mjs', () => {
  it('is the same build without a program', async () => {
    expect(await start(['scripts/build.mjs']).ended).toMatchObject({ code: 0, stdout: '' });
    expect(calls()).toHaveLength(3);
  });
});

function run(...args) {
  return start(['scripts/run.mjs', ...args]);
}

/** Starts node in the folder, where npm is the only program to find. */
function start(args) {
  const child = spawn(process.execPath, args, {
    cwd: folder,
    env: { PATH: join(folder, 'bin') },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => (output.stdout += chunk));
  child.stderr.on('data', (chunk) => (output.stderr += chunk));
  const ended = once(child, 'close').then(([code]) => ({ code, ...output }));
  return { child, ended };
}

function calls() {
  return read('calls').trim().split('\n');
}

function read(path) {
  return readFileSync(join(folder, path), 'utf8');
}

function write(path, text, mode = 0o644) {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text, { mode });
}
