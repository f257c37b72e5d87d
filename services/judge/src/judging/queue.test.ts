import { describe, expect, it } from '@jest/globals';
import { Queue, QueueBudgetSpent, QueueFull } from './queue.js';

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
});
