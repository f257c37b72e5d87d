import { describe, expect, it } from '@jest/globals';
import { SandboxFailure } from '../sandbox.js';
import { type Pooled, RunnerPool, type RunnerPoolOptions } from './runner-pool.js';

const never = new AbortController().signal;

class FakeRunner implements Pooled {
  usable = true;
  ended = false;
  private lose: () => void = () => undefined;
  readonly lost = new Promise<void>((resolve) => (this.lose = resolve));
  constructor(readonly name: string) {}
  fail(): void {
    this.usable = false;
    this.lose();
  }
  end(): Promise<void> {
    this.ended = true;
    return Promise.resolve();
  }
}

/** A pool of runners that are numbered as they are started, which they can be while all is well. */
function setUp(options: Partial<RunnerPoolOptions<FakeRunner>> = {}, isWell = () => true) {
  const runners: FakeRunner[] = [];
  const troubles: string[] = [];
  const start = (): Promise<FakeRunner> => {
    if (!isWell()) return Promise.reject(new Error('no room'));
    const runner = new FakeRunner(String(runners.length));
    runners.push(runner);
    return Promise.resolve(runner);
  };
  const pool = RunnerPool.open({
    size: 2,
    warm: 2,
    start,
    isFit: ({ usable }) => usable,
    onTrouble: (_error, what) => troubles.push(what),
    ...options,
  });
  return { runners, troubles, pool };
}
const soon = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

describe('RunnerPool', () => {
  it('lends each runner to one at a time', async () => {
    const pool = await setUp().pool;
    const [one, two] = await Promise.all([pool.take(never), pool.take(never)]);
    expect(one).not.toBe(two);
    const third = pool.take(never);
    pool.give(one);
    expect(await third).toBe(one);
  });

  it('replaces what is given back unfit, and what is lost while it is ready', async () => {
    const { pool: opening, runners } = setUp({ size: 1, warm: 1 });
    const pool = await opening;
    const first = await pool.take(never);
    first.usable = false;
    pool.give(first);
    const second = await pool.take(never);
    expect([first.ended, second.name]).toEqual([true, '1']);
    pool.give(second);
    second.fail();
    await soon();
    expect((await pool.take(never)).name).toBe('2');
    expect(runners).toHaveLength(3);
  });

  it('starts what is not warm when it is wanted, up to its size', async () => {
    const { pool: opening, runners } = setUp({ warm: 0 });
    const pool = await opening;
    expect(runners).toHaveLength(0);
    const one = await pool.take(never);
    pool.give(one);
    expect(await pool.take(never)).toBe(one);
    await pool.take(never);
    const third = pool.take(never);
    await soon();
    expect(runners).toHaveLength(2);
    pool.give(one);
    expect(await third).toBe(one);
  });

  it('lets one that waits go away', async () => {
    const pool = await setUp({ size: 1, warm: 1 }).pool;
    const taken = await pool.take(never);
    const gone = new AbortController();
    const waiting = pool.take(gone.signal);
    gone.abort();
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
    pool.give(taken);
    expect(await pool.take(never)).toBe(taken);
  });

  it('tells those who wait for nothing else why no runner comes, and goes on trying', async () => {
    let well = true;
    const { pool: opening, troubles } = setUp({ size: 1, warm: 1 }, () => well);
    const pool = await opening;
    const first = await pool.take(never);
    well = false;
    first.usable = false;
    const waiting = pool.take(never);
    pool.give(first);
    const error: unknown = await waiting.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(SandboxFailure);
    expect(error).toHaveProperty('message', 'no pod to run the program in: no room');
    expect(troubles).toEqual(['a pod could not be started']);
    well = true;
    expect((await pool.take(never)).name).toBe('1');
  });

  it('leaves nothing when not all of the first ones start', async () => {
    let asked = 0;
    const { pool, runners } = setUp({}, () => asked++ === 0);
    await expect(pool).rejects.toThrow('no room');
    expect(runners.map(({ ended }) => ended)).toEqual([true]);
  });

  it('ends all when it is closed, and lends no more', async () => {
    const { pool: opening, runners } = setUp();
    const pool = await opening;
    await pool.take(never);
    await pool.close();
    expect(runners.map(({ ended }) => ended)).toEqual([true, true]);
    await expect(pool.take(never)).rejects.toThrow('the sandbox is closed');
  });
});
