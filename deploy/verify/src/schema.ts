/** Checks objects against the Kubernetes API's schemas; a field that the API does not know is a problem like any other. */
import { Model } from '@kubernetes-models/base';
import { Deployment, StatefulSet } from 'kubernetes-models/apps/v1';
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1';
import { Role, RoleBinding } from 'kubernetes-models/rbac.authorization.k8s.io/v1';
import {
  ConfigMap,
  Namespace,
  PersistentVolumeClaim,
  Pod,
  ResourceQuota,
  Service,
  ServiceAccount,
} from 'kubernetes-models/v1';
import { nameOf, type Manifest } from './manifest.js';
import { literalProblems } from './literal-types.js';

/** Each kind that may stand in deploy/: its value schema, and the type that lists its fields. */
const kinds = {
  'v1 Namespace': { model: Namespace, module: 'kubernetes-types/core/v1' },
  'v1 Service': { model: Service, module: 'kubernetes-types/core/v1' },
  'v1 ConfigMap': { model: ConfigMap, module: 'kubernetes-types/core/v1' },
  'v1 PersistentVolumeClaim': { model: PersistentVolumeClaim, module: 'kubernetes-types/core/v1' },
  'v1 Pod': { model: Pod, module: 'kubernetes-types/core/v1' },
  'v1 ResourceQuota': { model: ResourceQuota, module: 'kubernetes-types/core/v1' },
  'v1 ServiceAccount': { model: ServiceAccount, module: 'kubernetes-types/core/v1' },
  'rbac.authorization.k8s.io/v1 Role': { model: Role, module: 'kubernetes-types/rbac/v1' },
  'rbac.authorization.k8s.io/v1 RoleBinding': { model: RoleBinding, module: 'kubernetes-types/rbac/v1' },
  'apps/v1 Deployment': { model: Deployment, module: 'kubernetes-types/apps/v1' },
  'apps/v1 StatefulSet': { model: StatefulSet, module: 'kubernetes-types/apps/v1' },
  'networking.k8s.io/v1 NetworkPolicy': { model: NetworkPolicy, module: 'kubernetes-types/networking/v1' },
  'policy/v1 PodDisruptionBudget': { model: PodDisruptionBudget, module: 'kubernetes-types/policy/v1' },
} as const;

/** One sentence per problem, naming the object and the field; empty when all objects are valid. */
export function schemaProblems(manifests: readonly Manifest[]): string[] {
  const known = manifests.flatMap((manifest) => {
    const kind = kindOf(manifest);
    return kind === undefined ? [] : [{ manifest, ...kind }];
  });
  return [
    ...manifests
      .filter((manifest) => kindOf(manifest) === undefined)
      .map((manifest) => `${nameOf(manifest)}: no schema for ${manifest.apiVersion} ${manifest.kind}`),
    ...known.flatMap(({ manifest, model }) => valueProblems(manifest, model)),
    ...literalProblems(
      known.map(({ manifest, module }) => ({
        name: nameOf(manifest),
        type: manifest.kind,
        module,
        value: manifest,
      })),
    ),
  ];
}

type Kind = (typeof kinds)[keyof typeof kinds];

function kindOf({ apiVersion, kind }: Manifest): Kind | undefined {
  return new Map<string, Kind>(Object.entries(kinds)).get(`${apiVersion} ${kind}`);
}

/** What the value schemas say: what is required, quantities, ports, formats. */
function valueProblems(manifest: Manifest, model: Kind['model']): string[] {
  try {
    // A model takes any object; it is its validate() that judges.
    const made: unknown = Reflect.construct(model, [manifest]);
    if (!(made instanceof Model)) throw new Error('the schema cannot be used');
    made.validate();
    return [];
  } catch (error) {
    return [`${nameOf(manifest)}: ${error instanceof Error ? error.message : String(error)}`];
  }
}
