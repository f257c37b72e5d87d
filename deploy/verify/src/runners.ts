/** Checks the namespace of runner pods: nothing but such pods can be in it, and the judge may do there what it does, and no more. */
import { z } from 'zod';
import { statement, type Check } from './check.js';
import { runnerRights } from './design.js';
import { workloads, type Manifest } from './manifest.js';

const role = z.looseObject({
  rules: z.array(
    z.strictObject({
      apiGroups: z.tuple([z.literal('')]),
      resources: z.array(z.string()),
      verbs: z.array(z.string()),
    }),
  ),
});
const binding = z.looseObject({
  roleRef: z.looseObject({ kind: z.string(), name: z.string() }),
  subjects: z.array(z.looseObject({ kind: z.string(), name: z.string(), namespace: z.string().optional() })),
});
const quota = z.looseObject({ spec: z.looseObject({ hard: z.record(z.string(), z.unknown()) }) });
const environment = z.array(z.looseObject({ name: z.string(), value: z.string().optional() })).default([]);

/** One check per claim about the namespace and the judge's rights in it. */
export function runnerChecks(manifests: readonly Manifest[], namespace: string): Check[] {
  const here = manifests.filter(({ metadata }) => metadata.namespace === namespace);
  const ofKind = (kind: string): Manifest[] => here.filter((manifest) => manifest.kind === kind);
  const labels = manifests.find(({ kind, metadata }) => kind === 'Namespace' && metadata.name === namespace)
    ?.metadata.labels;
  const judge = workloads(manifests).find(({ metadata }) => metadata.name === 'judge');
  const container = judge?.spec.template.spec.containers.find(({ name }) => name === 'judge');
  const variables = new Map(environment.parse(container?.['env']).map(({ name, value }) => [name, value]));
  const account = judge?.spec.template.spec['serviceAccountName'];
  return [
    statement(
      'their namespace takes restricted pods alone',
      labels?.['pod-security.kubernetes.io/enforce'] === 'restricted',
    ),
    statement(
      'no workload is among them',
      workloads(manifests).every(({ metadata }) => metadata.namespace !== namespace),
    ),
    statement(
      'there is a bound to how many they are, and they have no volumes or secrets',
      ofKind('ResourceQuota').some((each) => isBound(quota.parse(each).spec.hard)),
    ),
    statement(
      'their account has no token',
      ofKind('ServiceAccount').some(
        (each) => each.metadata.name === 'default' && each['automountServiceAccountToken'] === false,
      ),
    ),
    rightsCheck(manifests, ofKind('Role'), ofKind('RoleBinding'), account),
    statement(
      'the judge looks for them there',
      variables.get('BACKSIGHT_KUBERNETES_NAMESPACE') === namespace,
    ),
    statement(
      'they are made of the judge’s own image',
      container?.image !== undefined && variables.get('BACKSIGHT_KUBERNETES_IMAGE') === container.image,
    ),
    statement(
      'the judge keeps them to a profile of system calls',
      (variables.get('BACKSIGHT_KUBERNETES_SECCOMP_PROFILE') ?? '') !== '' ||
        (variables.get('BACKSIGHT_KUBERNETES_RUNTIME_CLASS') ?? '') !== '',
    ),
  ];
}

/** The judge's account is given the rights of the design here, and none anywhere else. */
function rightsCheck(
  manifests: readonly Manifest[],
  roles: readonly Manifest[],
  bindings: readonly Manifest[],
  account: unknown,
): Check {
  const granted = roles.flatMap((each) =>
    role
      .parse(each)
      .rules.flatMap(({ resources, verbs }) =>
        resources.flatMap((resource) => verbs.map((verb) => `${verb} ${resource}`)),
      ),
  );
  const isJudges = (each: Manifest): boolean => {
    const { roleRef, subjects } = binding.parse(each);
    const [subject] = subjects;
    return (
      subjects.length === 1 &&
      subject?.kind === 'ServiceAccount' &&
      subject.name === account &&
      roles.some(({ kind, metadata }) => kind === roleRef.kind && metadata.name === roleRef.name)
    );
  };
  const bound = manifests.filter(({ kind }) => kind === 'RoleBinding' || kind === 'ClusterRoleBinding');
  return {
    name: 'the judge may do there what it does, and nothing anywhere else',
    problems: [
      ...runnerRights.filter((right) => !granted.includes(right)).map((right) => `it may not ${right}`),
      ...granted.filter((right) => !runnerRights.includes(right)).map((right) => `it may ${right}`),
      ...(bindings.length === 1 && bound.length === 1 && bindings.every(isJudges)
        ? []
        : ['its Role is not bound to the judge’s account alone']),
    ],
  };
}

function isBound(hard: Readonly<Record<string, unknown>>): boolean {
  return (
    ['pods', 'limits.cpu', 'limits.memory'].every((name) => name in hard) &&
    ['secrets', 'persistentvolumeclaims'].every((name) => hard[name] === '0')
  );
}
