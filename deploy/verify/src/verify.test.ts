import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { Check } from './check.js';
import { designedEdges, policyFollowed, programsApart } from './design.js';
import { edgeChecks, endpoints } from './edges.js';
import { nameOf, type Manifest } from './manifest.js';
import { allowedEdges } from './network.js';
import { parseManifests } from './render.js';
import { runnerPodChecks } from './runner-pod.js';
import { runnerChecks } from './runners.js';
import { verify } from './verify.js';

const base = join(import.meta.dirname, '../../kustomize/base');
const component = join(import.meta.dirname, '../../kustomize/components/judge-pods');

describe('verify', () => {
  it('finds nothing wrong with the base', () => {
    expect(problemsOf(baseText())).toEqual([]);
  });

  it.each([
    ['a misspelt field of a pod', 'hostUsers: false', 'hostUser: false', /Deployment\/judge .*hostUser/],
    [
      'a misspelt field of a container',
      'livenessProbe:',
      'livenesProbe:',
      /spec\.template\.spec\.containers\[0\]/,
    ],
    [
      'a misspelt field of a policy',
      'policyTypes: [Ingress, Egress]',
      'policyType: [Ingress]',
      /NetworkPolicy\/\w+/,
    ],
    [
      'a value of the wrong type',
      'replicas: 2',
      'replicas: two',
      /Deployment\/judge: .*replicas must be integer/,
    ],
    ['a quantity that is none', 'memory: 2Gi', 'memory: lots', /Deployment\/judge: .*quantity/],
  ])('refuses %s', (_what, from, to, problem) => {
    expect(problemsOf(replaced(from, to))).toContainEqual(expect.stringMatching(problem));
  });

  it.each([
    ['a pod that may be root', 'runAsNonRoot: true', 'runAsNonRoot: false', /not root/],
    [
      'a writable root file system',
      'readOnlyRootFilesystem: true',
      'readOnlyRootFilesystem: false',
      /cannot write/,
    ],
    ['a capability', 'drop: [ALL]', 'drop: [ALL], add: [SYS_ADMIN]', /has no capability/],
    [
      'a way to more privileges',
      'allowPrivilegeEscalation: false',
      'privileged: true',
      /may not gain privileges/,
    ],
    ['a token', 'automountServiceAccountToken: false', 'automountServiceAccountToken: true', /no token/],
    ['a room without a memory limit', 'limits: { memory: 1Gi, ', 'limits: { ', /limit of memory/],
    [
      'a weakened profile without user namespaces',
      'hostUsers: false',
      'hostUsers: true',
      /user namespaces of its own/,
    ],
    [
      'a weakened profile of another room',
      '{ type: RuntimeDefault }',
      '{ type: Unconfined }',
      /seccomp profile/,
    ],
    ['a Service that is not headless', 'clusterIP: None', 'clusterIP: 10.0.0.1', /headless/],
    ['a room without a readiness probe', /readinessProbe: \{.*7102.*/, '', /judge: its readinessProbe asks/],
    [
      'a probe that is not gRPC',
      'startupProbe: { grpc: { port: 7101, service: liveness }',
      'startupProbe: { tcpSocket: { port: 7101 }',
      /policy: its startupProbe asks/,
    ],
    [
      'a probe of another port',
      'livenessProbe:\n            grpc: { port: 7102',
      'livenessProbe:\n            grpc: { port: 1',
      /livenessProbe/,
    ],
    [
      'a liveness probe that kills a room for not being ready',
      'livenessProbe:\n            grpc: { port: 7101, service: liveness }',
      'livenessProbe:\n            grpc: { port: 7101 }',
      /policy: its livenessProbe asks/,
    ],
  ])('refuses %s', (_what, from, to, problem) => {
    expect(problemsOf(replaced(from, to))).toContainEqual(expect.stringMatching(problem));
  });

  it('refuses a missing edge, naming it', () => {
    const closed = replaced('ports: [{ port: 7103 }]', 'ports: [{ port: 9999 }]');
    expect(problemsOf(closed)).toEqual([expect.stringContaining('coordinator -> tools TCP/7103')]);
  });

  it('refuses an extra edge, naming it', () => {
    const open = `${baseText()}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: extra }
spec:
  podSelector: { matchLabels: { app.kubernetes.io/name: judge } }
  policyTypes: [Egress]
  egress: [{ to: [{ ipBlock: { cidr: 0.0.0.0/0 } }], ports: [{ port: 443 }] }]
`;
    expect(problemsOf(open)).toEqual([expect.stringContaining('judge -> the world outside TCP/443')]);
  });

  it('refuses rules that forgot their ports', () => {
    const open = baseText().replaceAll(/\n +ports: \[\{ port: 7102 \}\]/g, '');
    expect(problemsOf(open)).toEqual([expect.stringContaining('coordinator -> judge TCP/9')]);
  });

  it('refuses a namespace without its default denial', () => {
    const open = manifestsOf(baseText()).filter((manifest) => nameOf(manifest) !== 'NetworkPolicy/deny-all');
    expect(allowedEdges(open, endpoints(open))).toContain('policy -> the world outside TCP/443');
  });
});

describe('verify with programs in pods of their own', () => {
  it('finds nothing wrong with the component', () => {
    const sections = verify(
      'judge-pods',
      manifestsApart((text) => text),
      programsApart,
    );
    expect(sections.flatMap(({ checks }) => wordsOf(checks))).toEqual([]);
  });

  it.each<[string, string, string, RegExp]>([
    ['a namespace that takes any pod', 'enforce: restricted', 'enforce: privileged', /restricted pods alone/],
    ['a right too many', 'verbs: [create, get]', 'verbs: [create, get, delete]', /it may delete pods\/exec/],
    ['a right too few', 'get, list, watch]', 'get, list]', /it may not watch pods/],
    ['a right to more than pods', 'resources: [pods]', 'resources: [pods, secrets]', /it may get secrets/],
    ['a Role of another account', 'name: judge\n    namespace: backsight', 'name: default', /not bound/],
    [
      'runner pods that talk',
      'podSelector: {}\n  policyTypes: [Ingress, Egress]',
      'podSelector: {}\n  policyTypes: [Ingress]',
      /a runner pod -> the world outside/,
    ],
    ['no bound to their number', "pods: '32'", "configmaps: '1'", /there is a bound/],
    [
      'another image',
      'name: BACKSIGHT_KUBERNETES_IMAGE, value: backsight/judge',
      'name: BACKSIGHT_KUBERNETES_IMAGE, value: other',
      /made of the judge’s own image/,
    ],
  ])('refuses %s', (_what, from, to, problem) => {
    const manifests = manifestsApart((text) => {
      const changed = text.replace(from, to);
      if (changed === text) throw new Error(`the component no longer says "${from}"`);
      return changed;
    });
    const checks = [
      ...runnerChecks(manifests, programsApart.runners ?? ''),
      ...edgeChecks(manifests, programsApart),
    ];
    expect(wordsOf(checks)).toContainEqual(expect.stringMatching(problem));
  });
});

describe('designedEdges', () => {
  it('adds followers, which call the policy alone', () => {
    const added = designedEdges(policyFollowed).filter((edge) => !designedEdges().includes(edge));
    expect(added).toEqual([
      'coordinator -> policy-follower TCP/7101',
      'policy-follower -> dns TCP/53',
      'policy-follower -> dns UDP/53',
      'policy-follower -> policy TCP/7101',
    ]);
  });
});

describe('runnerPodChecks', () => {
  const pod = readFileSync(join(base, '../../../services/judge/fixtures/runner-pod.yaml'), 'utf8');
  const problemsOfPod = (yaml: string) => wordsOf(runnerPodChecks(yaml));

  it('finds nothing wrong with the pod that the judge asks for', () => {
    expect(problemsOfPod(pod)).toEqual([]);
  });

  it.each([
    ['a misspelt field', 'hostUsers: false', 'hostUser: false', /hostUser/],
    [
      'a token',
      'automountServiceAccountToken: false',
      'automountServiceAccountToken: true',
      /no token|token/,
    ],
    [
      'a root that can be written',
      'readOnlyRootFilesystem: true',
      'readOnlyRootFilesystem: false',
      /cannot write/,
    ],
    ['root on its node', 'hostUsers: false', 'hostUsers: true', /user namespaces of its own/],
  ])('refuses %s', (_what, from, to, problem) => {
    expect(problemsOfPod(pod.replace(from, to))).toContainEqual(expect.stringMatching(problem));
  });
});

describe('designedEdges', () => {
  it('let only the coordinator and clients call', () => {
    expect(new Set(designedEdges().map((edge) => edge.split(' -> ')[0]))).toEqual(
      new Set(['client', 'coordinator']),
    );
  });
});

function baseText(): string {
  const files = readdirSync(base).filter((name) => name.endsWith('.yaml') && name !== 'kustomization.yaml');
  return files.map((name) => readFileSync(join(base, name), 'utf8')).join('\n---\n');
}

/** The base with the first `from` replaced; throws when there is none. */
function replaced(from: string | RegExp, to: string): string {
  const text = baseText();
  const changed = text.replace(from, to);
  if (changed === text) throw new Error(`the base no longer says "${String(from)}"`);
  return changed;
}

/** The objects as kustomize would place them. */
function manifestsOf(yaml: string): Manifest[] {
  return parseManifests(yaml).map((manifest) =>
    manifest.kind === 'Namespace'
      ? manifest
      : { ...manifest, metadata: { ...manifest.metadata, namespace: 'backsight' } },
  );
}

/** The base and the component, put together as kustomize does where they meet in the judge. */
function manifestsApart(change: (component: string) => string): Manifest[] {
  const files = readdirSync(component).filter((name) => !['kustomization.yaml', 'judge.yaml'].includes(name));
  const text = files
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => readFileSync(join(component, name), 'utf8'))
    .join('\n---\n');
  const patch = readFileSync(join(component, 'judge.yaml'), 'utf8');
  const changed = change(`${text}\n---\n${patch}`);
  const [patched = '', ...rest] = changed.split('\n---\n').reverse();
  const added = parseManifests(rest.reverse().join('\n---\n'));
  const [judge] = parseManifests(patched);
  const merged = manifestsOf(baseText()).map((manifest) =>
    nameOf(manifest) === 'Deployment/judge' && judge !== undefined ? mergePatch(manifest, judge) : manifest,
  );
  return [...merged, ...added];
}

/** A strategic merge, as far as the judge's patch goes: lists of named things by name, null takes away. */
function mergePatch<T>(into: T, patch: unknown): T {
  if (isNamedList(into) && isNamedList(patch)) {
    const byName = new Map<unknown, unknown>(into.map((each) => [each['name'], each]));
    for (const each of patch) byName.set(each['name'], mergePatch(byName.get(each['name']), each));
    return [...byName.values()] as T;
  }
  if (!isRecord(into) || !isRecord(patch)) return patch as T;
  const merged: Record<string, unknown> = { ...into };
  for (const [key, value] of Object.entries(patch)) merged[key] = mergePatch(merged[key], value);
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== null)) as T;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isNamedList(value: unknown): value is Record<string, unknown>[] {
  return Array.isArray(value) && value.every((each) => isRecord(each) && 'name' in each);
}

function problemsOf(yaml: string): string[] {
  return verify('base', manifestsOf(yaml)).flatMap(({ checks }) => wordsOf(checks));
}

function wordsOf(checks: readonly Check[]): string[] {
  return checks.flatMap(({ name, problems }) => problems.map((problem) => `${name}: ${problem}`));
}
