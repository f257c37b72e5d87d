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
   * A RuntimeClass whose runtime brings a kernel of its own, for example gVisor's. Without one the pod is given a user
   * namespace and what it takes to make namespaces inside it.
   */
  readonly runtimeClass: string | undefined;
  /** A seccomp profile on the nodes that lets an ordinary user make namespaces, in place of none; without runtimeClass. */
  readonly seccompProfile: string | undefined;
  /** Requested, and never exceeded; a Kubernetes quantity. */
  readonly cpu: string;
  /** Requested, and never exceeded, by the programs and the slot together; a Kubernetes quantity. */
  readonly memory: string;
  /** The cluster ends the pod after so long, whatever the judge does, in seconds. */
  readonly lifeSeconds: number;
  /** The user, and group, that everything in it is. */
  readonly user: number;
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
 * The pod. Where a runtime brings its own kernel, it keeps to the restricted Pod Security Standard in full; elsewhere it
 * has the three exceptions that namespaces inside a pod take, and in exchange a user namespace of its own.
 */
export function runnerPod(name: string, namespace: string, owner: RunnerOwner, options: RunnerOptions) {
  const { runtimeClass, seccompProfile, cpu, memory, lifeSeconds, user } = options;
  const ownKernel = runtimeClass !== undefined;
  const resources = { cpu, memory, 'ephemeral-storage': '64Mi' };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: labelsOf(owner) },
    spec: {
      ...(ownKernel ? { runtimeClassName: runtimeClass } : { hostUsers: false }),
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
        seccompProfile: ownKernel ? { type: 'RuntimeDefault' } : seccompOf(seccompProfile),
        ...(ownKernel ? {} : { appArmorProfile: { type: 'Unconfined' } }),
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
            ...(ownKernel ? {} : { procMount: 'Unmasked' }),
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

function seccompOf(profile: string | undefined) {
  return profile === undefined ? { type: 'Unconfined' } : { type: 'Localhost', localhostProfile: profile };
}
