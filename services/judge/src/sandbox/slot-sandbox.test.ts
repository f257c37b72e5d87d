import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Verdict } from '@backsight/contract/judge';
import type { Judgement, Test } from '../judging/submission.js';
import { judgeProgram, printing } from '../trials/judge-program.js';
import { leftGroups, leftProcesses, slotPids } from './leftovers.js';
import { openRealSandbox, testUsers, traces, whyNoSandbox } from './real-sandbox.js';
import type { RunLimits, Sandbox } from './sandbox.js';
import { describeConduct } from './sandbox-conduct.js';
import { slotCandidate } from './candidate.js';

const missing = await whyNoSandbox();
const where = missing === undefined ? describe : describe.skip;

describeConduct(slotCandidate('zygote'), missing);

where(`openSlotSandbox${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  let sandbox: Sandbox;
  let slots: readonly number[] = [];
  let before: Awaited<ReturnType<typeof traces>>;

  const judge = (source: string, tests: readonly Test[], limits?: Partial<RunLimits>): Promise<Judgement> =>
    judgeProgram(sandbox, source, tests, limits);

  beforeAll(async () => {
    before = await traces();
    sandbox = await openRealSandbox();
    slots = slotPids();
  });
  afterAll(async () => {
    await sandbox.close();
    expect(slots.length).toBeGreaterThan(0);
    expect(slotPids()).toEqual([]);
    expect(await leftGroups(slots)).toEqual([]);
    expect(await leftProcesses(testUsers.first, testUsers.count)).toEqual([]);
    expect(await traces()).toEqual(before);
  });

  it('does not let a busy machine make a right answer late, nor a sleeper early', async () => {
    // Eleven others on the same core: of the twelve shares one is the answer's, which takes 50 ms of it.
    const source = [
      'import os, time',
      'os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])',
      'for _ in range(11):',
      '    if os.fork() == 0:',
      '        while True: pass',
      'while time.process_time() < 0.05: pass',
      'print("done")',
    ].join('\n');
    const limits = { cpuMs: 20_000, wallMs: 400 };
    const { fates } = await judge(source, [printing('done')], limits);
    expect(fates[0]?.wallMs).toBeGreaterThan(limits.wallMs);
    // On a machine that is busy besides, the answer may need even more than four times the limit.
    if (fates[0]?.verdict !== Verdict.ACCEPTED) expect(fates[0]?.wallMs).toBeGreaterThan(4 * limits.wallMs);
    const { fates: slept } = await judge('import time\ntime.sleep(9)', [printing('')], limits);
    expect(slept).toMatchObject([{ verdict: Verdict.TIME_LIMIT, limit: 'wall' }]);
    expect(slept[0]?.wallMs).toBeLessThan(1500);
  });

  it('replaces a slot that was killed, with everything it ran', async () => {
    const running = judge('import time\ntime.sleep(60)', [printing('')], { wallMs: 60_000 });
    await new Promise((resolve) => setTimeout(resolve, 200));
    for (const pid of slotPids()) process.kill(pid, 'SIGKILL');
    await expect(running).rejects.toMatchObject({ name: 'SandboxFailure' });
    expect(await leftProcesses(testUsers.first, testUsers.count)).toEqual([]);
    expect(await judge('print(1)', [printing('1')])).toMatchObject({ verdict: Verdict.ACCEPTED });
    expect(await judge('print(2)', [printing('2')])).toMatchObject({ verdict: Verdict.ACCEPTED });
    expect(await leftGroups(slots)).toEqual([]);
    slots = slotPids();
  });
});
