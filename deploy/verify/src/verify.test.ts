import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { designedEdges } from './design.js';
import { endpoints } from './edges.js';
import { nameOf, type Manifest } from './manifest.js';
import { allowedEdges } from './network.js';
import { parseManifests } from './render.js';
import { verify } from './verify.js';

const base = join(import.meta.dirname, '../../kustomize/base');

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

function problemsOf(yaml: string): string[] {
  return verify('base', manifestsOf(yaml)).flatMap(({ checks }) =>
    checks.flatMap(({ name, problems }) => problems.map((problem) => `${name}: ${problem}`)),
  );
}
