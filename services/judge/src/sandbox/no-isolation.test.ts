import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readlink, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { IsolationTier, Verdict } from '@backsight/contract/judge';
import { cppPrograms } from '../trials/cpp-programs.js';
import { honestPrograms } from '../trials/honest-programs.js';
import { javascriptPrograms } from '../trials/javascript-programs.js';
import { judgeProgram, printing } from '../trials/judge-program.js';
import type { Trial } from '../trials/trial.js';
import { findToolchains } from './find-toolchains.js';
import { alive, descendants, slotPids } from './leftovers.js';
import type { Sandbox } from './sandbox.js';
import { openSlotSandbox } from './slot-sandbox.js';
import { itIn } from './real-sandbox.js';

/** A process id beyond any that Linux hands out: nobody is alive under it. */
const nobody = 4_194_305;

/** Folders of slots in a process namespace that cannot be seen from here. */
const elsewhere = {
  abandoned: join(tmpdir(), `backsight-judge.1.${process.pid}.1`),
  held: join(tmpdir(), `backsight-judge.1.${process.pid}.2`),
  fresh: join(tmpdir(), `backsight-judge.1.${process.pid}.3`),
};

const foldersOf = async (pids: readonly number[]): Promise<readonly string[]> =>
  (await readdir(tmpdir())).filter((name) =>
    pids.includes(Number(/^backsight-judge\.\d+\.(\d+)\./.exec(name)?.[1])),
  );

describe('openSlotSandbox without isolation', () => {
  let sandbox: Sandbox;
  let holder: ChildProcess | undefined;
  beforeAll(async () => {
    // What a slot left that was killed.
    const [namespace] = /\d+/.exec(await readlink('/proc/self/ns/pid')) ?? [];
    await mkdir(join(tmpdir(), `backsight-judge.${namespace ?? ''}.${nobody}.1`));
    for (const folder of Object.values(elsewhere)) await mkdir(folder);
    const old = new Date(Date.now() - 120_000);
    for (const folder of [elsewhere.abandoned, elsewhere.held]) await utimes(folder, old, old);
    holder = spawn('flock', ['--shared', elsewhere.held, 'sh', '-c', 'echo held; exec sleep 60']);
    await new Promise((resolve) => holder?.stdout?.once('data', resolve));
    sandbox = await openSlotSandbox({
      slots: 1,
      isolation: 'none',
      toolchains: await findToolchains(undefined, undefined),
      onComplaint: () => undefined,
    });
  });
  afterAll(async () => {
    holder?.kill('SIGKILL');
    for (const folder of Object.values(elsewhere)) await rm(folder, { recursive: true, force: true });
    const slots = slotPids();
    const processes = slots.flatMap((pid) => [pid, ...descendants(pid)]);
    await sandbox.close();
    expect(processes.length).toBeGreaterThan(1);
    expect(alive(processes)).toEqual([]);
    expect(await foldersOf([nobody, ...slots])).toEqual([]);
  });

  const tryOut = ({ language = 'python', source, input = '', expected = '', limits }: Trial) =>
    judgeProgram(sandbox, source, [printing(expected, input)], {
      language,
      memoryBytes: 512 << 20,
      ...limits,
    });

  it('says so, and clears away what a dead slot left', async () => {
    expect(sandbox.tier).toBe(IsolationTier.NONE);
    expect(await foldersOf(slotPids())).toHaveLength(1);
    expect(await foldersOf([nobody])).toEqual([]);
  });

  it('tells by their locks which folders are of slots that it cannot see, and are dead', () => {
    const there = Object.values(elsewhere).map((folder) => existsSync(folder));
    expect(there).toEqual([false, true, true]);
  });

  for (const trial of [...honestPrograms, ...cppPrograms.slice(0, 1), ...javascriptPrograms.slice(0, 1)])
    itIn(trial.language ?? 'python')(`runs ${trial.name}`, async () => {
      expect(await tryOut(trial)).toMatchObject({ verdict: trial.verdict });
    });

  it.each<Trial>([
    { name: 'time', source: 'while True: pass', verdict: Verdict.TIME_LIMIT },
    {
      name: 'sleep',
      source: 'import time\ntime.sleep(60)',
      verdict: Verdict.TIME_LIMIT,
      limits: { wallMs: 500 },
    },
    {
      name: 'memory',
      source: 'a = []\nwhile True: a.append(bytearray(1 << 20))',
      verdict: Verdict.MEMORY_LIMIT,
      limits: { memoryBytes: 96 << 20 },
    },
    { name: 'output', source: 'while True: print("x" * 1000)', verdict: Verdict.OUTPUT_LIMIT },
  ])('bounds $name all the same', async (trial) => {
    expect(await tryOut(trial)).toMatchObject({ verdict: trial.verdict });
  });
});
