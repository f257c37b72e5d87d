/** The pod that programs run in, as the judge asks for it. */
import { slotEnvironment } from '../slot-channel.js';

/** What of it is for the operator to say. */
export interface RunnerOptions {
  /** An image that holds the room's Python; the judge's own does. */
  readonly image: string;
  /** The folder of the room in that image. */
  readonly room: string;
  /** Path of Node.js in that image. */
  readonly node: string;
  /** Path of the interpreter in that image. */
  readonly python: string;
  /**
   * A RuntimeClass whose runtime brings a kernel of its own, for example Kata's. Without one the pod shares its node's
   * kernel, and has a user namespace.
   */
  readonly runtimeClass: string | undefined;
  /** Profiles on the nodes that let an ordinary user make namespaces and mount in them; without runtimeClass. */
  readonly profiles: NodeProfiles;
  /** Requested, and never exceeded; a Kubernetes quantity. */
  readonly cpu: string;
  /** Requested, and never exceeded, by the programs and the slot together; a Kubernetes quantity. */
  readonly memory: string;
  /** The cluster ends the pod after so long, whatever the judge does, in seconds. */
  readonly lifeSeconds: number;
  /** The user, and group, that everything in it is. */
  readonly user: number;
}

/** Names of security profiles that are on every node. */
export interface NodeProfiles {
  /** Below the kubelet's folder of them. Without one, the pod has no filter of system calls, and an unmasked /proc. */
  readonly seccomp: string | undefined;
  /** Without one, a pod that has a seccomp profile keeps the runtime's, and any other has none. */
  readonly appArmor: string | undefined;
}

/** Which judge a pod belongs to. */
export interface RunnerOwner {
  /** The judge's name, which it keeps over restarts: that of its pod. */
  readonly instance: string;
  /** Of this start of the judge. */
  readonly incarnation: string;
}

export const containerName = 'runner';
/** Beside memory for the program, for files of its own; programs get theirs from the slot. */
const scratch = '16Mi';
/** The pod ends by itself when no slot has been in it for so long: its judge is dead, or has lost it. */
const desertedSeconds = 60;

/** The labels of every pod of any judge. */
export const runnerLabels = {
  'app.kubernetes.io/name': 'judge-runner',
  'app.kubernetes.io/managed-by': 'backsight-judge',
};

/** The labels of one judge's pods. */
export function labelsOf({ instance, incarnation }: RunnerOwner): Readonly<Record<string, string>> {
  return { ...runnerLabels, [instanceLabel]: instance, [incarnationLabel]: incarnation };
}
export const instanceLabel = 'backsight.dev/judge';
export const incarnationLabel = 'backsight.dev/incarnation';

/**
 * The pod. It keeps to the restricted Pod Security Standard in full, but where neither a runtime of its own nor a
 * profile on the nodes is named: there it has what namespaces inside a pod take.
 */
export function runnerPod(name: string, namespace: string, owner: RunnerOwner, options: RunnerOptions) {
  const { runtimeClass, cpu, memory, lifeSeconds, user } = options;
  const { seccompProfile, appArmorProfile, procMount } = confinementOf(options);
  const resources = { cpu, memory, 'ephemeral-storage': '64Mi' };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: labelsOf(owner) },
    spec: {
      ...(runtimeClass === undefined ? { hostUsers: false } : { runtimeClassName: runtimeClass }),
      restartPolicy: 'Never',
      activeDeadlineSeconds: lifeSeconds,
      terminationGracePeriodSeconds: 0,
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      hostNetwork: false,
      hostPID: false,
      hostIPC: false,
      shareProcessNamespace: false,
      dnsPolicy: 'None',
      // A policy of None asks for a server; this one is the pod itself, where nobody listens.
      dnsConfig: { nameservers: ['127.0.0.1'] },
      securityContext: {
        runAsNonRoot: true,
        runAsUser: user,
        runAsGroup: user,
        fsGroup: user,
        seccompProfile,
        ...(appArmorProfile === undefined ? {} : { appArmorProfile }),
      },
      containers: [
        {
          name: containerName,
          image: options.image,
          command: [
            options.python,
            '-I',
            '-S',
            '-B',
            `${options.room}/python/runner.py`,
            'keep',
            runnerLock,
            String(desertedSeconds),
          ],
          env: Object.entries(slotEnvironment).map(([key, value]) => ({ name: key, value })),
          resources: { requests: resources, limits: resources },
          securityContext: {
            allowPrivilegeEscalation: false,
            privileged: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
            ...(procMount === undefined ? {} : { procMount }),
          },
          volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }],
        },
      ],
      volumes: [{ name: 'tmp', emptyDir: { medium: 'Memory', sizeLimit: scratch } }],
    },
  };
}

export type RunnerPod = ReturnType<typeof runnerPod>;

/** Slots hold it, and the pod's first process sees that they do. */
export const runnerLock = '/tmp/slots.lock';

/** The command that starts a slot in the pod, with the settings of python/slot.py. */
export function runnerSlotCommand({ python, room }: RunnerOptions, settings: object): readonly string[] {
  const environment = JSON.stringify(slotEnvironment);
  return [
    python,
    '-I',
    '-S',
    '-B',
    `${room}/python/runner.py`,
    'slot',
    runnerLock,
    environment,
    JSON.stringify(settings),
  ];
}

/** What confines the pod beside its namespaces, as weak as making namespaces inside it asks for. */
function confinementOf({ runtimeClass, profiles: { seccomp, appArmor } }: RunnerOptions) {
  const own = appArmor === undefined ? undefined : { type: 'Localhost', localhostProfile: appArmor };
  if (runtimeClass !== undefined) return { seccompProfile: { type: 'RuntimeDefault' } };
  if (seccomp !== undefined)
    return { seccompProfile: { type: 'Localhost', localhostProfile: seccomp }, appArmorProfile: own };
  return {
    seccompProfile: { type: 'Unconfined' },
    appArmorProfile: own ?? { type: 'Unconfined' },
    procMount: 'Unmasked',
  };
}
