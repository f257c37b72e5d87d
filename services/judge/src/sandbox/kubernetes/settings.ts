/** The settings of the kubernetes sandbox, and the cluster that they name. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { setting, type SettingValues } from '@backsight/rpc';
import { NoSandbox } from '../sandbox.js';
import { findCluster } from './cluster-access.js';
import type { KubernetesSandboxOptions } from './kubernetes-sandbox.js';

const quantity = /^\d+(?:\.\d+)?(?:m|[kMGT]i?)?$/;

export const kubernetesSettings = {
  // Kubernetes' own variables, and those of its tools.
  kubeconfig: setting.maybe(setting.path('KUBECONFIG', 'the path of a kubeconfig')),
  kubernetesHost: setting.maybe(setting.text('KUBERNETES_SERVICE_HOST', 'where the Kubernetes API is')),
  kubernetesPort: setting.integer(
    'KUBERNETES_SERVICE_PORT',
    'the port of the Kubernetes API',
    1,
    65_535,
    443,
  ),
  kubernetesNamespace: setting.maybe(
    setting.text('BACKSIGHT_KUBERNETES_NAMESPACE', 'the namespace of the runner pods'),
  ),
  kubernetesImage: setting.maybe(
    setting.text('BACKSIGHT_KUBERNETES_IMAGE', 'the image of the runner pods, such as the judge’s own'),
  ),
  kubernetesRoom: setting.text(
    'BACKSIGHT_KUBERNETES_ROOM',
    'the folder of this room in that image',
    '/app/room',
  ),
  kubernetesPython: setting.text(
    'BACKSIGHT_KUBERNETES_PYTHON',
    'the path of CPython in that image',
    '/usr/bin/python3',
  ),
  kubernetesNode: setting.text(
    'BACKSIGHT_KUBERNETES_NODE',
    'the path of Node.js in that image',
    '/usr/local/bin/node',
  ),
  kubernetesRuntimeClass: setting.maybe(
    setting.text('BACKSIGHT_KUBERNETES_RUNTIME_CLASS', 'a RuntimeClass with a kernel of its own'),
  ),
  kubernetesSeccomp: setting.maybe(
    setting.text('BACKSIGHT_KUBERNETES_SECCOMP_PROFILE', 'a seccomp profile on the nodes'),
  ),
  kubernetesAppArmor: setting.maybe(
    setting.text('BACKSIGHT_KUBERNETES_APPARMOR_PROFILE', 'an AppArmor profile on the nodes'),
  ),
  kubernetesCpu: quantitySetting('BACKSIGHT_KUBERNETES_CPU', 'cores of a runner pod', '1'),
  kubernetesMemory: quantitySetting('BACKSIGHT_KUBERNETES_MEMORY', 'memory of a runner pod', '1Gi'),
  kubernetesSubmissions: setting.integer(
    'BACKSIGHT_KUBERNETES_SUBMISSIONS_PER_POD',
    'submissions after which a pod is replaced',
    1,
    1_000_000,
    1000,
  ),
  kubernetesLife: setting.integer(
    'BACKSIGHT_KUBERNETES_POD_LIFE_S',
    'longest life of a pod, in seconds',
    600,
    604_800,
    3600,
  ),
  kubernetesStart: setting.integer(
    'BACKSIGHT_KUBERNETES_POD_START_S',
    'longest wait until a pod runs, in seconds',
    1,
    3600,
    120,
  ),
};

/** What the settings say of pods; the rest is for whoever opens the sandbox. */
export type NamedCluster = SettingValues<typeof kubernetesSettings>;

/** Everything in a runner pod is this user, as in the other pods of deploy/. */
const user = 10_001;

/** The cluster that the settings name, and how pods are to be in it. Throws NoSandbox, with one sentence, when they name none. */
export async function clusterOf(
  named: NamedCluster,
): Promise<Omit<KubernetesSandboxOptions, 'slots' | 'languages' | 'onComplaint'>> {
  const access = await findCluster({
    kubeconfig: named.kubeconfig,
    serviceHost: named.kubernetesHost,
    servicePort: named.kubernetesPort,
  });
  if (named.kubernetesImage === undefined)
    throw new NoSandbox(
      'No image to make runner pods of: set BACKSIGHT_KUBERNETES_IMAGE to the judge’s own.',
    );
  return {
    access,
    namespace: named.kubernetesNamespace ?? access.namespace ?? 'default',
    owner: { instance: labelValue(hostname()), incarnation: randomBytes(8).toString('hex') },
    runner: {
      image: named.kubernetesImage,
      room: named.kubernetesRoom,
      python: named.kubernetesPython,
      node: named.kubernetesNode,
      runtimeClass: named.kubernetesRuntimeClass,
      profiles: { seccomp: named.kubernetesSeccomp, appArmor: named.kubernetesAppArmor },
      cpu: named.kubernetesCpu,
      memory: named.kubernetesMemory,
      lifeSeconds: named.kubernetesLife,
      user,
    },
    submissionsPerPod: named.kubernetesSubmissions,
    startMs: 1000 * named.kubernetesStart,
  };
}

/** A name as labels may hold it. */
function labelValue(name: string): string {
  const middle = name.replaceAll(/[^A-Za-z0-9_.-]/g, '-').slice(0, 63);
  return middle.replaceAll(/^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g, '') || 'judge';
}

function quantitySetting(variable: string, about: string, fallback: string): setting.Setting<string> {
  return {
    variable,
    about,
    expected: 'a quantity, for example 500m or 1Gi',
    parse: (text) => (quantity.test(text) ? text : undefined),
    fallback: { value: fallback },
  };
}
