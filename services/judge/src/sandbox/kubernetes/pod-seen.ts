/** What the API says of a pod, as far as the judge reads it, and what that means in words. */
import { z } from 'zod';

const condition = z.object({
  type: z.string(),
  status: z.string(),
  reason: z.string().default(''),
  message: z.string().default(''),
});
const stateSchema = z
  .object({
    running: z.object({}).optional(),
    waiting: z.object({ reason: z.string().default(''), message: z.string().default('') }).optional(),
    terminated: z
      .object({ reason: z.string().default(''), exitCode: z.int(), message: z.string().default('') })
      .optional(),
  })
  .default({});

/** A pod as the API shows it. */
export const podSchema = z.object({
  metadata: z.object({
    name: z.string(),
    uid: z.string().default(''),
    resourceVersion: z.string().default(''),
    labels: z.record(z.string(), z.string()).default({}),
    deletionTimestamp: z.string().optional(),
  }),
  spec: z.object({ nodeName: z.string().optional() }).default({}),
  status: z
    .object({
      phase: z.enum(['Pending', 'Running', 'Succeeded', 'Failed', 'Unknown']).default('Pending'),
      reason: z.string().default(''),
      message: z.string().default(''),
      conditions: z.array(condition).default([]),
      containerStatuses: z
        .array(z.object({ name: z.string(), image: z.string().default(''), state: stateSchema }))
        .default([]),
    })
    .default({ phase: 'Pending', reason: '', message: '', conditions: [], containerStatuses: [] }),
});
export type PodSeen = z.infer<typeof podSchema>;

/** How far a pod has come. */
export type PodProgress = 'running' | 'starting' | 'hopeless' | 'over';

/** Reasons to wait that no waiting ends; what they mean for the image is in their messages. */
const hopeless = [
  'ImagePullBackOff',
  'InvalidImageName',
  'ErrImageNeverPull',
  'CreateContainerConfigError',
  'CreateContainerError',
  'RunContainerError',
];

/** Whether programs can be run in it now, later, or never. */
export function progressOf({ metadata, status }: PodSeen): PodProgress {
  const state = status.containerStatuses[0]?.state;
  if (status.phase === 'Succeeded' || status.phase === 'Failed') return 'over';
  if (metadata.deletionTimestamp !== undefined || state?.terminated !== undefined) return 'over';
  if (status.phase === 'Running' && state?.running !== undefined) return 'running';
  return hopeless.includes(state?.waiting?.reason ?? '') ? 'hopeless' : 'starting';
}

/** Whether the kernel ended it for the memory it used: no other end reads like this, and no program can feign it. */
export function isOutOfMemory({ status }: PodSeen): boolean {
  return status.containerStatuses.some(({ state }) => state.terminated?.reason === 'OOMKilled');
}

/** What the API has to say of why it does not run, to complete "pod X ...". */
export function wordPod(pod: PodSeen | undefined): string {
  if (pod === undefined) return 'was deleted';
  const { status, metadata, spec } = pod;
  const state = status.containerStatuses[0]?.state;
  const parts: string[] = [];
  if (status.reason !== '' || status.message !== '')
    parts.push(`is ${named(status.reason || status.phase, status.message)}`);
  if (state?.terminated !== undefined) {
    const { reason, exitCode, message } = state.terminated;
    parts.push(`ended with exit code ${exitCode} (${named(reason, message)})`);
  }
  if (state?.waiting !== undefined)
    parts.push(`waits for its container (${named(state.waiting.reason, state.waiting.message)})`);
  if (metadata.deletionTimestamp !== undefined) parts.push('is being deleted');
  if (parts.length > 0 && status.phase !== 'Pending') return parts.join(', and ');
  const open = status.conditions
    .filter((each) => each.status !== 'True' && each.message !== '' && !derived.includes(each.type))
    .map((each) => `${each.type} is ${each.status} (${named(each.reason, each.message)})`);
  const where = spec.nodeName === undefined ? 'on no node yet' : `on node ${spec.nodeName}`;
  return [`is ${status.phase} ${where}`, ...parts, ...open].join(', ');
}

/** Conditions that follow from the container's state, which is told already. */
const derived = ['Ready', 'ContainersReady'];

function named(reason: string, message: string): string {
  return message === '' ? reason : `${reason}: ${message}`;
}
