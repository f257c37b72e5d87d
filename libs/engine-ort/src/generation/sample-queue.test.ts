import { describe, expect, it } from '@jest/globals';
import { testConfig } from '../test-model.js';
import { request as asked } from '../test-engine.js';
import { CompletionStream } from './completion-stream.js';
import { ActiveRequest, samplesOf } from './request.js';
import { SampleQueue } from './sample-queue.js';

/** A queue of requests for one prompt each, of the given group sizes, and what it hands out as `request/sample`. */
function queueOf(...groupSizes: number[]) {
  const queue = new SampleQueue();
  const requests = groupSizes.map((groupSize) => {
    const generate = { ...asked, prompts: [[1]], groupSize };
    const request = new ActiveRequest(generate, testConfig, new CompletionStream());
    queue.add(request, samplesOf(generate, request));
    return request;
  });
  const take = (count: number) =>
    queue.take(count).map(({ request, sampleIndex }) => `${requests.indexOf(request)}/${sampleIndex}`);
  return { queue, requests, take };
}

describe('SampleQueue', () => {
  it('lets requests take turns, each in the order of its own samples', () => {
    const { queue, take } = queueOf(4, 2, 1);
    expect(queue.size).toBe(7);
    expect(take(2)).toEqual(['0/0', '1/0']);
    expect(take(3)).toEqual(['2/0', '0/1', '1/1']);
    expect(take(9)).toEqual(['0/2', '0/3']);
    expect([queue.size, take(1)]).toEqual([0, []]);
  });

  it('gives a request that comes later its turn at once', () => {
    const { queue, take } = queueOf(100);
    take(10);
    const late = { ...asked, prompts: [[1]], groupSize: 1 };
    const request = new ActiveRequest(late, testConfig, new CompletionStream());
    queue.add(request, samplesOf(late, request));
    expect(queue.take(2).map((sample) => sample.request === request)).toEqual([false, true]);
  });

  it('forgets what is no longer wanted', () => {
    const { queue, requests, take } = queueOf(3, 3);
    requests[0]!.cancelled = true;
    queue.dropCancelled();
    expect([...queue].map(({ sampleIndex }) => sampleIndex).sort()).toEqual([0, 1, 2]);
    expect(take(1)).toEqual(['1/0']);
    queue.clear();
    expect(queue.size).toBe(0);
  });
});
