import { describe, expect, it } from '@jest/globals';
import { SharedRuns } from './shared-runs.js';

const never = new AbortController().signal;
/** A run that ends when the test says so, or a moment after it is stopped. */
function openRun() {
  const state = { started: 0, dead: false, finish: (_value: string): void => undefined };
  const work = (signal: AbortSignal): Promise<string> =>
    new Promise((resolve, reject) => {
      state.started += 1;
      state.finish = resolve;
      signal.addEventListener('abort', () => {
        setTimeout(() => {
          state.dead = true;
          reject(signal.reason as Error);
        }, 5);
      });
    });
  return { state, work };
}

describe('SharedRuns', () => {
  it('gives one run to all who come while it is under way, and to nobody later', async () => {
    const runs = new SharedRuns<string>();
    const { state, work } = openRun();
    const first = runs.start('a', never, work);
    const second = runs.join('a', never);
    expect(runs.join('b', never)).toBeUndefined();
    state.finish('done');
    expect(await Promise.all([first, second])).toEqual(['done', 'done']);
    expect(state.started).toBe(1);
    expect(runs.has('a')).toBe(false);
  });

  it('goes on when one of them leaves, even the first', async () => {
    const runs = new SharedRuns<string>();
    const { state, work } = openRun();
    const gone = new AbortController();
    const first = runs.start('a', gone.signal, work);
    const second = runs.join('a', never);
    gone.abort();
    await expect(first).rejects.toMatchObject({ name: 'AbortError' });
    expect(state.dead).toBe(false);
    state.finish('done');
    expect(await second).toBe('done');
  });

  it('is stopped when the last has left, who hears of it once it is dead', async () => {
    const runs = new SharedRuns<string>();
    const { state, work } = openRun();
    const gone = [new AbortController(), new AbortController()] as const;
    const first = runs.start('a', gone[0].signal, work);
    const second = runs.join('a', gone[1].signal);
    gone[0].abort();
    await expect(first).rejects.toThrow();
    const reason = new Error('gone');
    gone[1].abort(reason);
    // Nobody joins what is being stopped.
    await Promise.resolve();
    await expect(second).rejects.toBe(reason);
    expect([state.dead, runs.has('a')]).toEqual([true, false]);
  });

  it('fails for all of them when it fails', async () => {
    const runs = new SharedRuns<string>();
    const failing = () => Promise.reject(new Error('broke'));
    const first = runs.start('a', never, failing);
    const second = runs.join('a', never);
    await expect(first).rejects.toThrow('broke');
    await expect(second).rejects.toThrow('broke');
    expect(runs.has('a')).toBe(false);
  });

  it('does not share a run beside one that is under way', async () => {
    const runs = new SharedRuns<string>();
    const [shared, alone] = [openRun(), openRun()];
    const first = runs.start('a', never, shared.work);
    const second = runs.start('a', never, alone.work);
    alone.state.finish('alone');
    expect(await second).toBe('alone');
    expect(runs.has('a')).toBe(true);
    shared.state.finish('shared');
    expect(await first).toBe('shared');
  });
});
