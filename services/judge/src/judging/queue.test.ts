import { describe, expect, it } from '@jest/globals';
import { type Place, Queue, QueueBudgetSpent, QueueFull } from './queue.js';

const signal = new AbortController().signal;

describe('Queue', () => {
  it('admits as many as it has places, the others in order of arrival', async () => {
    const queue = new Queue(2, 10);
    const admitted: number[] = [];
    const places = Array.from({ length: 5 }, async (_, index) => {
      const place = await queue.enter({ signal });
      admitted.push(index);
      return place;
    });
    const [first, second] = await Promise.all(places.slice(0, 2));
    expect([admitted, queue.waiting]).toEqual([[0, 1], 3]);
    second?.leave();
    await places[2];
    first?.leave();
    await places[3];
    expect([admitted, queue.waiting]).toEqual([[0, 1, 2, 3], 1]);
  });

  it('turns away whom it has no room for, and takes them once there is', async () => {
    const queue = new Queue(1, 1);
    const { leave } = await queue.enter({ signal });
    const waiting = queue.enter({ signal });
    await expect(queue.enter({ signal })).rejects.toThrow(
      new QueueFull('1 submissions run and 1 wait already'),
    );
    leave();
    const next = await waiting;
    next.leave();
    await expect(queue.enter({ signal })).resolves.toBeDefined();
  });

  it('takes a place back once, however often it is left', async () => {
    const queue = new Queue(1, 0);
    const { leave } = await queue.enter({ signal });
    leave();
    leave();
    await queue.enter({ signal });
    await expect(queue.enter({ signal })).rejects.toThrow(QueueFull);
  });

  it('ends a wait that outlasts its budget, and gives the place to another', async () => {
    const queue = new Queue(1, 5);
    const { leave } = await queue.enter({ signal });
    const patient = queue.enter({ signal });
    await expect(queue.enter({ signal, budgetMs: 10 })).rejects.toThrow(
      new QueueBudgetSpent('no place came free within 10 ms'),
    );
    expect(queue.waiting).toBe(1);
    leave();
    const { waitedMs } = await patient;
    expect(waitedMs).toBeGreaterThan(5);
  });

  it('ends the wait of a caller who goes away, with its reason', async () => {
    const queue = new Queue(1, 5);
    const { leave } = await queue.enter({ signal });
    const gone = new AbortController();
    const waiting = queue.enter({ signal: gone.signal });
    const reason = new Error('gone');
    gone.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    await expect(queue.enter({ signal: gone.signal })).rejects.toBe(reason);
    expect(queue.waiting).toBe(0);
    leave();
    await expect(queue.enter({ signal })).resolves.toBeDefined();
  });

  it('gives a place that comes free to the caller who has the fewest, then to who has gone without the longest', async () => {
    const queue = new Queue(2, 100);
    const admitted: string[] = [];
    const places: Place[] = [];
    const enter = (caller: string) =>
      queue.enter({ caller, signal }).then((place) => {
        admitted.push(caller);
        places.push(place);
      });
    // The greedy one has both places and waits for many more; the others come later.
    const all = ['greedy', 'greedy', 'greedy', 'greedy', 'greedy', 'one', 'other', 'one'].map(enter);
    await Promise.all(all.slice(0, 2));
    expect(queue.waiting).toBe(6);
    for (let left = 6; left > 0; left--) {
      places.shift()?.leave();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(all);
    expect(admitted).toEqual(['greedy', 'greedy', 'one', 'other', 'greedy', 'one', 'greedy', 'greedy']);
    for (const place of places) place.leave();
    expect(queue.waiting).toBe(0);
  });

  it('lets nobody be kept out of a full queue by another caller', async () => {
    const queue = new Queue(1, 3);
    const running = await queue.enter({ caller: 'greedy', signal });
    const waiting = [1, 2, 3].map(() => queue.enter({ caller: 'greedy', signal }));
    const ends = waiting.map((each) => each.catch((error: unknown) => error));
    const modest = queue.enter({ caller: 'modest', signal });
    // The newest of the greedy one's goes, and it gets no other in.
    expect(await ends[2]).toBeInstanceOf(QueueFull);
    await expect(queue.enter({ caller: 'greedy', signal })).rejects.toThrow(QueueFull);
    expect(queue.waiting).toBe(3);
    running.leave();
    (await modest).leave();
    (await waiting[0])?.leave();
    (await waiting[1])?.leave();
    // Who has as many in it as the others does not push them out.
    const place = await queue.enter({ caller: 'a', signal });
    const small = new Queue(1, 1);
    const kept = await small.enter({ caller: 'a', signal });
    const patient = small.enter({ caller: 'a', signal });
    await expect(small.enter({ caller: 'b', signal })).rejects.toThrow(QueueFull);
    kept.leave();
    (await patient).leave();
    place.leave();
  });

  it('tells how many wait for what', async () => {
    const queue = new Queue(1, 5);
    const { leave } = await queue.enter({ signal });
    const gone = new AbortController();
    const waiting = (['batch', 'batch', 'episode'] as const).map((errand) =>
      queue.enter({ errand, signal: gone.signal }).catch(() => undefined),
    );
    const counts = () =>
      (['judge', 'batch', 'execute', 'episode'] as const).map((errand) => queue.waitingFor(errand));
    expect(counts()).toEqual([0, 2, 0, 1]);
    gone.abort();
    await Promise.all(waiting);
    expect(counts()).toEqual([0, 0, 0, 0]);
    leave();
  });
});
