import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { stringify } from 'yaml';
import { findCluster } from './cluster-access.js';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'backsight-cluster-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

const hints = { kubeconfig: undefined, serviceHost: undefined, servicePort: 443 };
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const config = {
  apiVersion: 'v1',
  kind: 'Config',
  'current-context': 'here',
  contexts: [{ name: 'here', context: { cluster: 'c', user: 'u', namespace: 'judge-sandboxes' } }],
  clusters: [
    {
      name: 'c',
      cluster: { server: 'https://127.0.0.1:6443/sub/', 'certificate-authority-data': base64('CA') },
    },
  ],
  users: [{ name: 'u', user: { token: 'T' } }],
};
const kubeconfig = async (changes: object): Promise<string> => {
  const path = join(folder, `${Math.random()}.yaml`);
  await writeFile(path, stringify({ ...config, ...changes }));
  return path;
};
const found = async (changes: object = {}) =>
  findCluster({ ...hints, kubeconfig: await kubeconfig(changes) });

describe('findCluster', () => {
  it('reads the current context of a kubeconfig', async () => {
    const access = await found();
    expect(access).toMatchObject({ namespace: 'judge-sandboxes', tls: { ca: 'CA' } });
    expect(access.server.href).toBe('https://127.0.0.1:6443/sub/');
    expect(await access.token()).toBe('T');
  });

  it('reads certificates and tokens from files beside it, the token anew each time', async () => {
    await writeFile(join(folder, 'cert.pem'), 'CERT');
    await writeFile(join(folder, 'key.pem'), 'KEY');
    await writeFile(join(folder, 'token'), 'first\n');
    const access = await found({
      users: [
        {
          name: 'u',
          user: { 'client-certificate': 'cert.pem', 'client-key': 'key.pem', tokenFile: 'token' },
        },
      ],
    });
    expect(access.tls).toMatchObject({ cert: 'CERT', key: 'KEY' });
    expect(await access.token()).toBe('first');
    await writeFile(join(folder, 'token'), 'second');
    expect(await access.token()).toBe('second');
  });

  it.each<[string, object, RegExp]>([
    ['that has no such context', { 'current-context': 'there' }, /has no context "there"/],
    ['that has no such cluster', { clusters: [] }, /has no cluster "c"/],
    ['that has no such user', { users: [] }, /has no user "u"/],
    [
      'whose user logs in by a program',
      { users: [{ name: 'u', user: { exec: { command: 'aws' } } }] },
      /logs in by a program, which the judge does not run/,
    ],
    ['that is none', { clusters: 'c' }, /is no kubeconfig: clusters: /],
  ])('refuses a kubeconfig %s', async (_what, changes, words) => {
    await expect(found(changes)).rejects.toThrow(words);
  });

  it('says that there is no such file', async () => {
    await expect(findCluster({ ...hints, kubeconfig: '/nowhere' })).rejects.toThrow(
      'KUBECONFIG names /nowhere, which cannot be read.',
    );
  });

  it('is the service account’s inside a pod, whose token is replaced now and then', async () => {
    await writeFile(join(folder, 'token'), 'first');
    await writeFile(join(folder, 'ca.crt'), 'CA');
    await writeFile(join(folder, 'namespace'), 'backsight');
    const inPod = { ...hints, serviceHost: 'fd00::1', serviceAccount: folder };
    const access = await findCluster(inPod);
    expect(access).toMatchObject({ namespace: 'backsight', tls: { ca: 'CA' } });
    expect(access.server.href).toBe('https://[fd00::1]/');
    await writeFile(join(folder, 'token'), 'second');
    expect(await access.token()).toBe('second');
    await expect(findCluster({ ...inPod, serviceAccount: '/nowhere' })).rejects.toThrow(
      /no service account to call Kubernetes with .*automountServiceAccountToken: true/,
    );
  });

  it('says that there is none', async () => {
    await expect(findCluster(hints)).rejects.toThrow(/^No Kubernetes cluster .*KUBECONFIG names no file/);
  });
});
