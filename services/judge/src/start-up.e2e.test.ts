import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { IsolationTier, JudgeServiceDefinition } from '@backsight/contract/judge';
import { connect } from '@backsight/rpc';
import { runToEnd, startRoomProcess } from '@backsight/testing';
import { findBubblewrap } from './sandbox/find-bubblewrap.js';

const main = join(import.meta.dirname, '../dist/main.js');
const env = { BACKSIGHT_JUDGE_ADDRESS: '127.0.0.1:0', BACKSIGHT_JUDGE_SLOTS: '1' };
// Without a daemon that the tests are given: with it, `auto` would be docker.
const { BACKSIGHT_DOCKER_SOCKET: _daemon, ...surroundings } = process.env;
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'backsight-judge-test-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

/** Runs a shell line to its end. */
function runShell(line: string): Promise<{ readonly code: number | null; readonly said: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn('sh', ['-c', line], {
      env: { ...surroundings, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
    child.once('error', reject);
    child.once('close', (code) => {
      resolve({ code, said });
    });
  });
}
/** Folders of slots in other process namespaces. */
async function foldersElsewhere(): Promise<readonly string[]> {
  const own = /\d+/.exec(await readlink('/proc/self/ns/pid'))?.[0] ?? '';
  const isElsewhere = (name: string) =>
    ![own, '1'].includes(/^backsight-judge\.(\d+)\./.exec(name)?.[1] ?? own);
  return (await readdir(tmpdir())).filter(isElsewhere);
}
/** A user namespace with no capability left, in which no other can be made. */
const jail =
  'unshare --user --map-root-user sh -c ' +
  "'echo 0 > /proc/sys/user/max_user_namespaces && " +
  'exec setpriv --bounding-set=-all --inh-caps=-all --ambient-caps=-all "$@"\' sh';
const jailed = (await runShell(`${jail} true`)).code === 0;
/** As in most containers: process 1 of a namespace, an ordinary user, a /proc that is masked and partly read-only. */
const masked =
  'unshare --mount --pid --fork --mount-proc sh -c ' +
  "'mount -t tmpfs -o ro,size=4k none /proc/fs && mount --bind /proc/sys /proc/sys && " +
  'mount -o remount,ro,bind /proc/sys && exec setpriv --reuid 65534 --regid 65534 --clear-groups ' +
  '--bounding-set=-all --inh-caps=-all --ambient-caps=-all "$@"\' sh';
const canMask = (await runShell(`${masked} unshare --user true`)).code === 0;

describe('the judge that cannot start', () => {
  it('says that there is no Python, in one sentence, exit code 1', async () => {
    const end = await runToEnd(main, { env: { ...env, BACKSIGHT_PYTHON: '/nowhere/python3' } });
    expect(end).toMatchObject({ code: 1, stdout: '' });
    expect(end.stderr).toBe(
      'judge: No Python to run programs with: /nowhere/python3 is missing. ' +
        'Install python3 (Debian: apt-get install python3), or set BACKSIGHT_PYTHON to one.\n',
    );
  });

  it('says that a compiler is not where it was told to be, in one sentence', async () => {
    const end = await runToEnd(main, { env: { ...env, BACKSIGHT_JUDGE_RUST: '/nowhere/rustc' } });
    expect(end).toMatchObject({ code: 1, stdout: '' });
    expect(end.stderr).toBe(
      'judge: No compiler for Rust: /nowhere/rustc is missing. Install rustc (Debian: apt-get install rustc), ' +
        'set BACKSIGHT_JUDGE_RUST to it, or leave rust out of BACKSIGHT_JUDGE_LANGUAGES.\n',
    );
  });

  (jailed ? it : it.skip)('refuses to serve where nothing isolates (needs unshare and setpriv)', async () => {
    const { code, said } = await runShell(`${jail} '${process.execPath}' '${main}'`);
    expect(said).toMatch(
      /^judge: Nothing isolates programs here \(.+\): run the judge as root.*--sandbox=none/,
    );
    expect(said.trim().split('\n')).toHaveLength(1);
    expect(code).toBe(1);
  });

  it('says which setting, flag or task is wrong', async () => {
    const setting = await runToEnd(main, { env: { ...env, BACKSIGHT_SANDBOX: 'off' } });
    expect(setting).toMatchObject({ code: 1, stdout: '' });
    expect(setting.stderr).toContain('judge: BACKSIGHT_SANDBOX must be one of auto,');
    const flag = await runToEnd(main, { env, args: ['--no-sandbox'] });
    expect(flag).toMatchObject({ code: 1, stdout: '' });
    expect(flag.stderr).toContain('--no-sandbox is no flag of this room; --sandbox=... and --help are');
    const value = await runToEnd(main, { env, args: ['--sandbox=no'] });
    expect(value.stderr).toContain('judge: BACKSIGHT_SANDBOX must be one of auto,');
    const tasks = join(folder, 'tasks.jsonl');
    await writeFile(tasks, '{"task_id": "a", "prompt": "p", "tests": [{"input": 1, "output": ""}]}\n');
    const task = await runToEnd(main, { env: { ...env, BACKSIGHT_TASKS: tasks } });
    expect(task).toMatchObject({ code: 1, stdout: '' });
    expect(task.stderr).toContain(`judge: ${tasks}:1: tests[0].input: expected string, received number\n`);
  });
});

const kinds = ['zygote', ...((await findBubblewrap().catch(() => '')) === '' ? [] : ['bubblewrap'])];
describe('the judge in a container whose /proc is masked', () => {
  (canMask ? it : it.skip).each(kinds)(
    'isolates by %s, with nothing in /proc but the way to /dev/stdin (needs root)',
    async (kind) => {
      const before = await foldersElsewhere();
      const child = spawn('sh', ['-c', `exec ${masked} '${process.execPath}' '${main}' --sandbox=${kind}`], {
        env: { ...surroundings, ...env, BACKSIGHT_JUDGE_LANGUAGES: 'python,javascript' },
        stdio: ['ignore', 'pipe', 'ignore'],
        detached: true, // so that all of it can be killed
      });
      const ended = new Promise((resolve) => child.once('close', resolve));
      try {
        const address = await new Promise<string>((resolve, reject) => {
          let said = '';
          child.stdout.on('data', (chunk: Buffer) => {
            said += chunk.toString();
            const found = / listening on (\S+)\n/.exec(said)?.[1];
            if (found !== undefined) resolve(found);
          });
          void ended.then(() => {
            reject(new Error('the judge did not start'));
          });
        });
        const { client, close } = connect(JudgeServiceDefinition, address);
        const said = async (language: string, source: string, stdin = '') => {
          const request = { program: { language, source }, stdin: Buffer.from(stdin) };
          return Buffer.from((await client.execute(request)).stdout).toString();
        };
        expect(await said('python', 'import os\nprint(os.listdir("/proc"), os.getppid())')).toBe(
          "['self'] 1\n",
        );
        const reading = 'console.log(require("fs").readFileSync("/dev/stdin", "utf8"))';
        expect(await said('javascript', reading, 'read')).toBe('read\n');
        expect((await client.describe({})).isolation).toBe(IsolationTier.NAMESPACES);
        close();
      } finally {
        // In order, so that it clears away what those outside its namespace could not tell to be nobody's.
        process.kill(-(child.pid ?? 0), 'SIGTERM');
        await ended;
      }
      expect(await foldersElsewhere()).toEqual(before);
    },
  );
});

describe('the judge without a sandbox', () => {
  it('serves where that is asked for in so many words, and says what that means', async () => {
    const room = await startRoomProcess(main, { env, args: ['--sandbox=none'] });
    const { client, close } = connect(JudgeServiceDefinition, room.address);
    try {
      expect(await client.describe({})).toMatchObject({ isolation: IsolationTier.NONE, sandbox: 'none' });
      const program = { language: 'python', source: 'import os\nopen("x", "w")\nprint(sorted(os.environ))' };
      const { stdout } = await client.execute({ program });
      // Even so it inherits nothing of the judge's environment.
      expect(Buffer.from(stdout).toString()).toBe("['HOME', 'LANG', 'PATH', 'PYTHONHASHSEED', 'TZ']\n");
      expect(room.stderr()).toContain('programs run as ordinary processes of this user');
    } finally {
      close();
    }
    expect(await room.stop()).toEqual({ code: 0, signal: null });
  });
});
