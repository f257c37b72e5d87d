import { describe, expect, it } from '@jest/globals';
import { ContainerPool } from './container-pool.js';

const { signal } = new AbortController();
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A pool of things that start at once, and what happened in it. */
function pooled({ maxUses = 100, spares = 0, refuses = (): boolean => false } = {}) {
  const log: string[] = [];
  const troubles: unknown[] = [];
  let made = 0;
  const start = async () => {
    await settled();
    if (refuses()) throw new Error('none today');
    const name = `c${++made}`;
    log.push(`+${name}`);
    return {
      name,
      uses: 0,
      usable: true,
      remove: () => {
        log.push(`-${name}`);
        return Promise.resolve();
      },
    };
  };
  const pool = new ContainerPool({ start, maxUses, spares, onTrouble: (error) => troubles.push(error) });
  return { pool, log, troubles };
}

describe('ContainerPool', () => {
  it('starts as many as are asked for, and spares, and hands them out again', async () => {
    const { pool, log } = pooled({ spares: 1 });
    await pool.warm(2);
    expect(log).toEqual(['+c1', '+c2', '+c3']);
    for (let use = 0; use < 5; use++) pool.give(await pool.take(signal), false);
    await settled();
    expect(log).toHaveLength(3);
    await pool.close();
    expect(log.slice(3).sort()).toEqual(['-c1', '-c2', '-c3']);
  });

  it('replaces one after so many uses, and a suspicious one at once', async () => {
    const { pool, log } = pooled({ maxUses: 2 });
    await pool.warm(1);
    pool.give(await pool.take(signal), false);
    expect(log).toEqual(['+c1']);
    pool.give(await pool.take(signal), false);
    await settled();
    expect(log).toEqual(['+c1', '-c1', '+c2']);
    pool.give(await pool.take(signal), true);
    await settled();
    expect(log.slice(3)).toEqual(['-c2', '+c3']);
    await pool.close();
  });

  it('never hands out one that has ended meanwhile', async () => {
    const { pool } = pooled();
    const first = await pool.take(signal);
    pool.give(first, false);
    first.usable = false;
    const second = await pool.take(signal);
    expect(second.name).not.toBe(first.name);
    pool.give(second, false);
    await pool.close();
  });

  it('tells the one who waits why none could be started, and tries anew for the next', async () => {
    let refuse = true;
    const { pool, troubles } = pooled({ refuses: () => refuse });
    await expect(pool.take(signal)).rejects.toMatchObject({
      name: 'SandboxFailure',
      cause: new Error('none today'),
    });
    expect(troubles).toEqual([]);
    refuse = false;
    pool.give(await pool.take(signal), false);
    await pool.close();
  });

  it('lets those go who no longer want to wait', async () => {
    const { pool, log } = pooled();
    const gone = new AbortController();
    const waiting = pool.take(gone.signal);
    gone.abort();
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
    await settled();
    // What was started for it serves the next.
    const next = await pool.take(signal);
    expect([next.name, log]).toEqual(['c1', ['+c1']]);
    pool.give(next, false);
    await pool.close();
    await expect(pool.take(signal)).rejects.toThrow('the sandbox is closed');
  });
});
