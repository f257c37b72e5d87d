import { describe, expect, it } from '@jest/globals';
import type { z } from 'zod';
import { isOutOfMemory, type PodProgress, podSchema, progressOf, wordPod } from './pod-seen.js';

type Status = NonNullable<z.input<typeof podSchema>['status']>;
const pod = (status: Status, nodeName?: string) =>
  podSchema.parse({ metadata: { name: 'p' }, spec: { nodeName }, status });
const waiting = (reason: string, message = ''): Status => ({
  phase: 'Pending',
  containerStatuses: [{ name: 'runner', state: { waiting: { reason, message } } }],
});
const terminated = (reason: string, exitCode: number): Status => ({
  phase: 'Failed',
  containerStatuses: [{ name: 'runner', state: { terminated: { reason, exitCode } } }],
});
const running: Status = { phase: 'Running', containerStatuses: [{ name: 'runner', state: { running: {} } }] };

describe('progressOf', () => {
  it.each<[string, Status, PodProgress]>([
    ['is on no node yet', { phase: 'Pending' }, 'starting'],
    ['is being made', waiting('ContainerCreating'), 'starting'],
    ['failed to pull once', waiting('ErrImagePull'), 'starting'],
    ['cannot pull', waiting('ImagePullBackOff'), 'hopeless'],
    ['names no image', waiting('InvalidImageName'), 'hopeless'],
    ['runs', running, 'running'],
    ['was evicted', { phase: 'Failed', reason: 'Evicted' }, 'over'],
    ['has ended', { phase: 'Succeeded' }, 'over'],
  ])('knows a pod that %s', (_what, status, progress) => {
    expect(progressOf(pod(status))).toBe(progress);
  });

  it('knows a pod that is being deleted', () => {
    const metadata = { name: 'p', deletionTimestamp: '2026-11-23T15:00:00Z' };
    expect(progressOf(podSchema.parse({ metadata, status: running }))).toBe('over');
  });
});

describe('isOutOfMemory', () => {
  it('takes the kernel’s word alone', () => {
    expect(isOutOfMemory(pod(terminated('OOMKilled', 137)))).toBe(true);
    expect(isOutOfMemory(pod(terminated('Error', 137)))).toBe(false);
    expect(isOutOfMemory(pod({ phase: 'Failed', reason: 'Evicted', message: 'memory' }))).toBe(false);
  });
});

describe('wordPod', () => {
  it.each<[ReturnType<typeof pod> | undefined, string]>([
    [undefined, 'was deleted'],
    [pod({ phase: 'Pending' }), 'is Pending on no node yet'],
    [
      pod(waiting('ImagePullBackOff', 'Back-off pulling image "x"'), 'n1'),
      'is Pending on node n1, waits for its container (ImagePullBackOff: Back-off pulling image "x")',
    ],
    [
      pod({ phase: 'Failed', reason: 'Evicted', message: 'The node was low on resource: memory.' }),
      'is Evicted: The node was low on resource: memory.',
    ],
    [pod(terminated('OOMKilled', 137)), 'ended with exit code 137 (OOMKilled)'],
    [pod({ phase: 'Failed', reason: 'DeadlineExceeded' }), 'is DeadlineExceeded'],
  ])('words %#: %s', (seen, words) => {
    expect(wordPod(seen)).toBe(words);
  });
});
