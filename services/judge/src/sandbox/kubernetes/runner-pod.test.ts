import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { callProfile } from '../docker/call-profile.js';
import { carelessness, podManifest, type PodManifest, violations } from './fake-cluster/admission.js';
import { testRunner } from './kubernetes-candidate.js';
import { type RunnerOptions, runnerPod } from './runner-pod.js';

const owner = { instance: 'judge-0', incarnation: 'a1' };
const pod = (options: Partial<RunnerOptions> = {}): PodManifest =>
  podManifest.parse(runnerPod('judge-runner-1', 'judge-sandboxes', owner, { ...testRunner, ...options }));
const own = { runtimeClass: undefined };

describe('runnerPod', () => {
  it.each<[string, Partial<RunnerOptions>]>([
    ['a runtime with a kernel of its own', {}],
    ['profiles on the nodes', { ...own, profiles: { seccomp: 'judge.json', appArmor: undefined } }],
  ])('keeps to the restricted standard with %s', (_with, options) => {
    expect(violations(pod(options), 'restricted')).toEqual([]);
  });

  it('has three exceptions and a user namespace elsewhere', () => {
    expect(violations(pod(own), 'restricted')).toEqual([
      'seccompProfile',
      'procMount',
      'forbidden AppArmor profile',
    ]);
    expect(pod(own).spec.hostUsers).toBe(false);
  });

  it.each<[string, Partial<RunnerOptions>]>([
    ['a runtime of its own', {}],
    ['neither', own],
  ])('leaves nothing open that nothing needs, with %s', (_with, options) => {
    expect(carelessness(pod(options))).toEqual([]);
  });

  it('ends by itself, and is told apart from those of other judges', () => {
    const { metadata, spec } = pod();
    expect(spec).toMatchObject({ activeDeadlineSeconds: 3600, restartPolicy: 'Never' });
    expect(metadata.labels).toMatchObject({
      'backsight.dev/judge': 'judge-0',
      'backsight.dev/incarnation': 'a1',
    });
  });
});

describe('deploy/', () => {
  const repository = resolve(import.meta.dirname, '../../../../..');
  const read = (path: string): Promise<string> => readFile(join(repository, path), 'utf8');

  it('checks the pod that the judge asks for', async () => {
    const profiles = { seccomp: 'backsight/judge-runner.json', appArmor: undefined };
    const options = { ...testRunner, ...own, image: 'backsight/judge:0.1.0', profiles };
    const asked: unknown = JSON.parse(
      JSON.stringify(runnerPod('judge-runner', 'judge-sandboxes', owner, options)),
    );
    expect(asked).toEqual(parse(await read('services/judge/fixtures/runner-pod.yaml')));
  });

  it('has the profile of system calls that containers of Docker get, as nodes read it', async () => {
    const { archMap, ...rest } = callProfile;
    const profile: unknown = JSON.parse(await read('deploy/kustomize/components/judge-pods/seccomp.json'));
    expect(profile).toEqual({ ...rest, architectures: archMap.map(({ architecture }) => architecture) });
  });
});

describe('the fake cluster', () => {
  const container = pod().spec.containers[0];
  it.each<[string, (spec: PodManifest['spec']) => object]>([
    ['a token', () => ({ automountServiceAccountToken: true })],
    ['root', (spec) => ({ securityContext: { ...spec.securityContext, runAsUser: 0 } })],
    ['a node’s users on a node’s kernel', () => ({ runtimeClassName: undefined })],
    ['a volume on its node', () => ({ volumes: [{ name: 'tmp', emptyDir: { sizeLimit: '1Gi' } }] })],
    ['a root that can be written', () => ({ containers: [{ ...container, securityContext: {} }] })],
    [
      'more than it asks for',
      () => ({ containers: [{ ...container, resources: { requests: {}, limits: {} } }] }),
    ],
  ])('lets in no pod with %s', (_what, change) => {
    const { spec, ...rest } = pod();
    expect(carelessness(podManifest.parse({ ...rest, spec: { ...spec, ...change(spec) } }))).not.toEqual([]);
  });

  it('lets in no pod with a field that the API does not know', () => {
    const { spec, ...rest } = pod();
    expect(podManifest.safeParse({ ...rest, spec: { ...spec, hostUser: false } }).success).toBe(false);
  });
});
