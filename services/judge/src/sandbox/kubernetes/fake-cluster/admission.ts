/** What the fake cluster lets in: pods that the API would take, and that keep to the Pod Security Standard of their namespace. */
import { z } from 'zod';

const securityContext = z.strictObject({
  runAsNonRoot: z.boolean().optional(),
  runAsUser: z.int().optional(),
  runAsGroup: z.int().optional(),
  fsGroup: z.int().optional(),
  seccompProfile: z
    .strictObject({
      type: z.enum(['RuntimeDefault', 'Localhost', 'Unconfined']),
      localhostProfile: z.string().optional(),
    })
    .optional(),
  appArmorProfile: z
    .strictObject({
      type: z.enum(['RuntimeDefault', 'Localhost', 'Unconfined']),
      localhostProfile: z.string().optional(),
    })
    .optional(),
  allowPrivilegeEscalation: z.boolean().optional(),
  privileged: z.boolean().optional(),
  readOnlyRootFilesystem: z.boolean().optional(),
  procMount: z.enum(['Default', 'Unmasked']).optional(),
  capabilities: z
    .strictObject({ add: z.array(z.string()).optional(), drop: z.array(z.string()).optional() })
    .optional(),
});
const quantity = z.string().regex(/^\d+(\.\d+)?(m|[kMGT]i?)?$/);
const resources = z.strictObject({
  requests: z.record(z.string(), quantity),
  limits: z.record(z.string(), quantity),
});
const name = z.string().regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
const label = z.string().regex(/^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/);

/** The fields that a runner pod may have, as the API names them: any other is refused. */
export const podManifest = z.strictObject({
  apiVersion: z.literal('v1'),
  kind: z.literal('Pod'),
  metadata: z.strictObject({ name, namespace: name, labels: z.record(z.string(), label) }),
  spec: z.strictObject({
    runtimeClassName: z.string().optional(),
    hostUsers: z.boolean().optional(),
    restartPolicy: z.literal('Never'),
    activeDeadlineSeconds: z.int().positive(),
    terminationGracePeriodSeconds: z.int().min(0),
    automountServiceAccountToken: z.boolean().optional(),
    enableServiceLinks: z.boolean().optional(),
    hostNetwork: z.boolean().optional(),
    hostPID: z.boolean().optional(),
    hostIPC: z.boolean().optional(),
    shareProcessNamespace: z.boolean().optional(),
    dnsPolicy: z.enum(['None', 'Default', 'ClusterFirst']).optional(),
    dnsConfig: z.strictObject({ nameservers: z.array(z.string()).min(1) }).optional(),
    securityContext,
    containers: z
      .array(
        z.strictObject({
          name,
          image: z.string().min(1),
          command: z.array(z.string()).min(1),
          env: z.array(z.strictObject({ name: z.string(), value: z.string() })),
          resources,
          securityContext,
          volumeMounts: z.array(z.strictObject({ name, mountPath: z.string() })),
        }),
      )
      .length(1),
    volumes: z.array(
      z.strictObject({
        name,
        emptyDir: z.strictObject({ medium: z.enum(['Memory']).optional(), sizeLimit: quantity.optional() }),
      }),
    ),
  }),
});
export type PodManifest = z.infer<typeof podManifest>;

/** The levels of the Pod Security Standards that matter here. */
export type SecurityLevel = 'restricted' | 'privileged';

/** What speaks against the pod, as the admission plugin words it; none when it may come in. */
export function violations({ spec }: PodManifest, level: SecurityLevel): readonly string[] {
  const [container] = spec.containers;
  const pod = spec.securityContext;
  const inside = container?.securityContext ?? {};
  const seccomp = (inside.seccompProfile ?? pod.seccompProfile)?.type;
  const restricted: readonly (readonly [boolean, string])[] = [
    [inside.allowPrivilegeEscalation === false, 'allowPrivilegeEscalation != false'],
    [inside.privileged !== true, 'privileged'],
    [
      inside.capabilities?.drop?.includes('ALL') === true && (inside.capabilities.add ?? []).length === 0,
      'unrestricted capabilities',
    ],
    [(inside.runAsNonRoot ?? pod.runAsNonRoot) === true, 'runAsNonRoot != true'],
    [(inside.runAsUser ?? pod.runAsUser) !== 0, 'runAsUser=0'],
    [seccomp === 'RuntimeDefault' || seccomp === 'Localhost', 'seccompProfile'],
    [(inside.procMount ?? 'Default') === 'Default', 'procMount'],
    [pod.appArmorProfile?.type !== 'Unconfined', 'forbidden AppArmor profile'],
    [spec.hostNetwork !== true && spec.hostPID !== true && spec.hostIPC !== true, 'host namespaces'],
  ];
  return level === 'privileged' ? [] : restricted.flatMap(([holds, rule]) => (holds ? [] : [rule]));
}

/** What of a pod that runs strangers' programs is open though nothing needs it; none when all is shut. */
export function carelessness({ spec }: PodManifest): readonly string[] {
  const [container] = spec.containers;
  const { requests, limits } = container?.resources ?? { requests: {}, limits: {} };
  const rules: readonly (readonly [boolean, string])[] = [
    [spec.automountServiceAccountToken === false, 'it has a token of the API'],
    [spec.enableServiceLinks === false, 'it is told of services'],
    [spec.dnsPolicy === 'None', 'it can look names up'],
    [spec.shareProcessNamespace !== true, 'its containers see each other'],
    [
      spec.securityContext.runAsNonRoot === true && (spec.securityContext.runAsUser ?? 0) > 0,
      'it may be root',
    ],
    [container?.securityContext.readOnlyRootFilesystem === true, 'its root can be written'],
    [container?.securityContext.privileged !== true, 'it is privileged'],
    [container?.securityContext.allowPrivilegeEscalation === false, 'it may gain privileges'],
    [container?.securityContext.capabilities?.drop?.includes('ALL') === true, 'it has capabilities'],
    [
      ['cpu', 'memory', 'ephemeral-storage'].every(
        (each) => limits[each] !== undefined && limits[each] === requests[each],
      ),
      'its resources are not bounded by what it asks for',
    ],
    [
      spec.volumes.every(({ emptyDir }) => emptyDir.medium === 'Memory' && emptyDir.sizeLimit !== undefined),
      'it writes to its node',
    ],
    [
      spec.runtimeClassName !== undefined || spec.hostUsers === false,
      'root in it is root on its node, whose kernel it shares',
    ],
  ];
  return rules.flatMap(([holds, rule]) => (holds ? [] : [rule]));
}
