import { describe, expect, it } from '@jest/globals';
import { testConfig } from '../test-model.js';
import { request as asked } from '../test-engine.js';
import { CompletionStream } from './completion-stream.js';
import { ActiveRequest, samplesOf } from './request.js';
import { SampleQueue } from './sample-queue.js';

/** A queue whose turns are of `longestTurn`; samples read as `request prompt/sample`. */
function queueOf(longestTurn: number) {
  const queue = new SampleQueue(longestTurn);
  const requests: ActiveRequest[] = [];
  const add = (prompts: number, groupSize: number) => {
    const generate = { ...asked, prompts: Array.from({ length: prompts }, () => [1]), groupSize };
    const request = new ActiveRequest(generate, testConfig, new CompletionStream());
    requests.push(request);
    queue.add(request, samplesOf(generate, request));
    return request;
  };
  const take = (count: number) =>
    queue
      .take(count)
      .map(
        ({ request, promptIndex, sampleIndex }) =>
          `${requests.indexOf(request)} ${promptIndex}/${sampleIndex}`,
      );
  return { queue, add, take };
}

describe('SampleQueue', () => {
  it('lets requests take turns, each in the order of its own samples', () => {
    const { queue, add, take } = queueOf(1);
    for (const groupSize of [4, 2, 1]) add(1, groupSize);
    expect(queue.size).toBe(7);
    expect(take(2)).toEqual(['0 0/0', '1 0/0']);
    expect(take(3)).toEqual(['2 0/0', '0 0/1', '1 0/1']);
    expect(take(9)).toEqual(['0 0/2', '0 0/3']);
    expect([queue.size, take(1)]).toEqual([0, []]);
  });

  it('makes the samples of a prompt one turn, as far as a turn goes, however few are taken at a time', () => {
    const { add, take } = queueOf(3);
    add(2, 2);
    add(1, 5);
    const order = ['0 0/0', '0 0/1', '1 0/0', '1 0/1', '1 0/2', '0 1/0', '0 1/1', '1 0/3', '1 0/4'];
    expect([...take(1), ...take(3), ...take(1), ...take(9)]).toEqual(order);
  });

  it('gives a request that comes later its turn after the turns of those before it', () => {
    const { add, take } = queueOf(8);
    add(1, 1000);
    take(10);
    add(1, 1);
    expect(take(20).indexOf('1 0/0')).toBe(6);
  });

  it('forgets what is no longer wanted', () => {
    const { queue, add, take } = queueOf(2);
    add(1, 3).cancelled = true;
    add(1, 3);
    queue.dropCancelled();
    expect([...queue].map(({ sampleIndex }) => sampleIndex).sort()).toEqual([0, 1, 2]);
    expect(take(1)).toEqual(['1 0/0']);
    queue.clear();
    expect(queue.size).toBe(0);
  });
});
