/** The security settings that every pod must have, after the restricted profile of the Pod Security Standards. */
import { z } from 'zod';
import { statement, type Check } from './check.js';
import { type Design, programsInside } from './design.js';
import { nameOf, workloads, type Container, type Manifest, type Workload } from './manifest.js';

const podContext = z.looseObject({
  runAsNonRoot: z.boolean().optional(),
  runAsUser: z.number().optional(),
  runAsGroup: z.number().optional(),
  seccompProfile: z.looseObject({ type: z.string() }).optional(),
  appArmorProfile: z.looseObject({ type: z.string() }).optional(),
});
const containerContext = podContext.extend({
  allowPrivilegeEscalation: z.boolean().optional(),
  privileged: z.boolean().optional(),
  readOnlyRootFilesystem: z.boolean().optional(),
  procMount: z.string().optional(),
  capabilities: z
    .looseObject({ add: z.array(z.string()).optional(), drop: z.array(z.string()).optional() })
    .optional(),
});

/** One check per pod and rule. */
export function hardeningChecks(manifests: readonly Manifest[], design: Design = programsInside): Check[] {
  return workloads(manifests).flatMap((workload) => workloadChecks(workload, design));
}

/** The same for one workload. */
export function workloadChecks(workload: Workload, design: Design): Check[] {
  return [...podChecks(workload, design), ...containerChecks(workload, design)];
}

function podChecks(workload: Workload, { exceptions }: Design): Check[] {
  const { spec } = workload.spec.template;
  const context = podContext.parse(spec.securityContext);
  const may = (setting: string): boolean => exceptions[workload.metadata.name]?.includes(setting) === true;
  const says = (rule: string, holds: boolean): Check => statement(`${nameOf(workload)}: ${rule}`, holds);
  return [
    says(
      'runs as a numbered user that is not root',
      context.runAsNonRoot === true && (context.runAsUser ?? 0) > 0,
    ),
    says('runs as a group that is not root', (context.runAsGroup ?? 0) > 0),
    says(
      may('seccompProfile') ? 'names its seccomp profile' : 'keeps the runtime’s seccomp profile',
      may('seccompProfile')
        ? context.seccompProfile !== undefined
        : context.seccompProfile?.type === 'RuntimeDefault',
    ),
    says(
      may('appArmorProfile') ? 'may name an AppArmor profile' : 'keeps the runtime’s AppArmor profile',
      may('appArmorProfile') || (context.appArmorProfile?.type ?? 'RuntimeDefault') === 'RuntimeDefault',
    ),
    says(
      may('token')
        ? 'says whether it has a token of the Kubernetes API'
        : 'has no token of the Kubernetes API',
      spec['automountServiceAccountToken'] === may('token'),
    ),
    says('gets no addresses of services as variables', spec['enableServiceLinks'] === false),
    says(
      'shares no namespace with its node',
      ['hostNetwork', 'hostPID', 'hostIPC'].every((key) => spec[key] !== true),
    ),
    says(
      'mounts nothing of its node',
      spec.volumes.every((volume) => !('hostPath' in volume)),
    ),
    // A weaker profile is bearable only where root in the pod is nobody on the node.
    says(
      'has user namespaces of its own if a profile is weakened',
      !isWeakened(workload) || spec['hostUsers'] === false,
    ),
  ];
}

function containerChecks(workload: Workload, design: Design): Check[] {
  const { containers, initContainers } = workload.spec.template.spec;
  return [...containers, ...initContainers].flatMap((container) => {
    const context = containerContext.parse(container.securityContext);
    const says = (rule: string, holds: boolean): Check =>
      statement(`${nameOf(workload)}: container ${container.name} ${rule}`, holds);
    return [
      says(
        'may not gain privileges',
        context.allowPrivilegeEscalation === false && context.privileged !== true,
      ),
      says('has no capability', onlyDropsAll(context.capabilities)),
      says('cannot write its root file system', context.readOnlyRootFilesystem === true),
      says('does not loosen what its pod sets', loosens(context) === undefined),
      says(
        'sees /proc masked, or is the judge',
        (context.procMount ?? 'Default') === 'Default' || mayUnmask(workload, design),
      ),
      says('asks for cpu and memory, and has a limit of memory', hasResources(container)),
    ];
  });
}

const onlyDropsAll = (capabilities: z.infer<typeof containerContext>['capabilities']): boolean =>
  capabilities?.drop?.includes('ALL') === true && (capabilities.add ?? []).length === 0;

/** A setting of a container that would override its pod's. */
const loosens = (context: z.infer<typeof containerContext>): string | undefined =>
  (['runAsNonRoot', 'runAsUser', 'runAsGroup', 'seccompProfile', 'appArmorProfile'] as const).find(
    (setting) => context[setting] !== undefined,
  );

const mayUnmask = ({ metadata }: Workload, { exceptions }: Design): boolean =>
  exceptions[metadata.name]?.includes('procMount') === true;

function isWeakened({ spec }: Workload): boolean {
  const { seccompProfile, appArmorProfile } = podContext.parse(spec.template.spec.securityContext);
  return (
    seccompProfile?.type !== 'RuntimeDefault' ||
    (appArmorProfile?.type ?? 'RuntimeDefault') !== 'RuntimeDefault' ||
    spec.template.spec.containers.some(({ securityContext }) => securityContext['procMount'] === 'Unmasked')
  );
}

const hasResources = ({ resources }: Container): boolean =>
  ['cpu', 'memory'].every((name) => name in resources.requests) && 'memory' in resources.limits;
