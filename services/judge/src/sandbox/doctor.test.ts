import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { quietEnding, scriptedSandbox } from '../judging/scripted-sandbox.js';
import { attacks, breachOf, examine, findLostChecks } from './doctor.js';
import { nameProcess } from './owner.js';
import { type RunEnding, SandboxFailure } from './sandbox.js';

const { signal } = new AbortController();
const said = (text: string): RunEnding => ({ ...quietEnding, stdout: Buffer.from(`${text}\n`) });

/** A sandbox in which attacks end like this; the others are held. */
const sandboxWith = (endings: Readonly<Record<string, RunEnding>>) =>
  scriptedSandbox(async function* ({ runs }) {
    yield await Promise.resolve({ kind: 'compiled' });
    for (const run of runs.keys())
      yield { kind: 'ran', run, ending: endings[attacks[run] ?? ''] ?? said('held') };
  });

describe('examine', () => {
  it('runs every attack there is, with what to reach for, among what the language sees', async () => {
    const source = await readFile(resolve(import.meta.dirname, '../../python/attacks.py'), 'utf8');
    const listed = /^ATTACKS.*?\n([^)]*)\)/ms.exec(source)?.[1]?.match(/\w+/g);
    expect(listed).toEqual(attacks);
    const sandbox = sandboxWith({});
    await examine(sandbox, 'cpp', signal);
    const [job] = sandbox.jobs;
    expect(job).toMatchObject({ language: 'python', surroundings: 'cpp', source });
    const aims = job?.runs.map(
      (run) => JSON.parse(Buffer.from(run.kind === 'stdio' ? run.input : '').toString()) as object,
    );
    expect(aims?.map((aim) => 'attack' in aim && aim.attack)).toEqual(attacks);
    expect(aims?.[0]).toMatchObject({ pid: process.pid, processes: 16 });
  });

  it('takes an attack that never ran for no proof', async () => {
    const short = scriptedSandbox(async function* () {
      yield await Promise.resolve({ kind: 'ran', run: 0, ending: said('held') });
    });
    await expect(examine(short, 'python', signal)).rejects.toThrow(
      `the self-check ended after 1 of ${attacks.length} attacks`,
    );
  });

  it('leaves no file behind, even when the sandbox fails', async () => {
    const failing = scriptedSandbox(() => {
      throw new SandboxFailure('broke');
    });
    await expect(examine(failing, 'python', signal)).rejects.toThrow('broke');
    const left = (await readdir(tmpdir())).filter((name) =>
      name.startsWith(`backsight-doctor-${process.pid}-`),
    );
    expect(left).toEqual([]);
  });
});

describe('findLostChecks', () => {
  it('finds what self-checks left whose process was killed, and nothing of one that lives', async () => {
    const parent = await mkdtemp(join(tmpdir(), 'backsight-checks-'));
    const own = await nameProcess();
    const dead = `${own.slice(0, own.lastIndexOf('.'))}.1`;
    const [lost = '', ...others] = [dead, own, 'another.1.2.3'].map(
      (owner) => `backsight-doctor-${process.pid}-${owner}-AbCdEf`,
    );
    try {
      for (const name of [lost, ...others]) await mkdir(join(parent, name));
      expect(await findLostChecks(parent)).toEqual([join(parent, lost)]);
    } finally {
      await rm(parent, { recursive: true });
    }
  });
});

describe('breachOf', () => {
  const breach = async (endings: Readonly<Record<string, RunEnding>>) =>
    breachOf(await examine(sandboxWith(endings), 'python', signal));

  it('finds none where every attack is held, by the sandbox or by its memory limit', async () => {
    expect(
      await breach({ take_memory: { ...quietEnding, exitCode: undefined, limit: 'memory' } }),
    ).toBeUndefined();
  });

  it('names what got through', async () => {
    expect(
      await breach({ read_host_file: said('reads files of the host'), open_socket: said('opens a socket') }),
    ).toBe(
      'The sandbox does not hold, so the judge does not serve: ' +
        'read_host_file reads files of the host; open_socket opens a socket.',
    );
  });

  it.each<[string, RunEnding]>([
    ['an attack that says nothing', quietEnding],
    ['one that fails', { ...said('held'), exitCode: 1, stderr: Buffer.from('x\nKeyError: 1\n') }],
    ['one that is late', { ...said('held'), exitCode: undefined, limit: 'wall' }],
  ])('does not take %s for held', async (_name, ending) => {
    expect(await breach({ see_judge: ending })).toMatch(/does not hold.*see_judge ended early/);
  });
});
