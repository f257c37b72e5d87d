/** What a set of NetworkPolicies lets through, worked out from Kubernetes' rules for them. */
import { z } from 'zod';
import { manifestSchema, type Manifest } from './manifest.js';

/** A pod, or a place outside, that connections begin and end at. */
export interface Endpoint {
  readonly name: string;
  /** Absent for what is no pod. */
  readonly namespace?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly ports: readonly {
    readonly name?: string | undefined;
    readonly port: number;
    readonly protocol: string;
  }[];
}

/** One allowed way, e.g. `coordinator -> policy TCP/7101`. */
export type Edge = string;

const expression = z.strictObject({
  key: z.string(),
  operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']),
  values: z.array(z.string()).default([]),
});
const selector = z.strictObject({
  matchLabels: z.record(z.string(), z.string()).default({}),
  matchExpressions: z.array(expression).default([]),
});
type Selector = z.infer<typeof selector>;

const peer = z.strictObject({
  podSelector: selector.optional(),
  namespaceSelector: selector.optional(),
  ipBlock: z.looseObject({ cidr: z.string() }).optional(),
});
const port = z.strictObject({
  port: z.union([z.string(), z.number()]).optional(),
  endPort: z.number().optional(),
  protocol: z.string().default('TCP'),
});
const rule = z.strictObject({ ports: z.array(port).default([]), peers: z.array(peer).default([]) });
type Rule = z.infer<typeof rule>;

const policySchema = manifestSchema.extend({
  spec: z.strictObject({
    podSelector: selector,
    policyTypes: z.array(z.enum(['Ingress', 'Egress'])).min(1),
    ingress: z
      .array(z.strictObject({ from: z.unknown().optional(), ports: z.unknown().optional() }))
      .default([])
      .transform((rules) => rules.map(({ from, ports }) => rule.parse({ peers: from, ports }))),
    egress: z
      .array(z.strictObject({ to: z.unknown().optional(), ports: z.unknown().optional() }))
      .default([])
      .transform((rules) => rules.map(({ to, ports }) => rule.parse({ peers: to, ports }))),
  }),
});
type Policy = z.infer<typeof policySchema>;

/** A port that nothing serves: a rule that names no port lets it through, and shows itself so. */
const unservedPort = { port: 9, protocol: 'TCP' };

/** Every connection that the policies among `manifests` allow from or to a pod of their namespaces, sorted. */
export function allowedEdges(manifests: readonly Manifest[], endpoints: readonly Endpoint[]): Edge[] {
  const policies = manifests
    .filter(({ kind }) => kind === 'NetworkPolicy')
    .map((manifest) => policySchema.parse(manifest));
  const namespaces = new Set([
    ...policies.map(({ metadata }) => metadata.namespace),
    // One of ours in which nothing is denied is open to all.
    ...manifests.filter(({ kind }) => kind === 'Namespace').map(({ metadata }) => metadata.name),
  ]);
  const ours = ({ namespace }: Endpoint): boolean => namespace !== undefined && namespaces.has(namespace);
  const pairs = endpoints
    .flatMap((from) => endpoints.filter((to) => to !== from).map((to) => ({ from, to })))
    .filter(({ from, to }) => ours(from) || ours(to));
  return pairs
    .flatMap(({ from, to }) =>
      [...to.ports, unservedPort]
        .filter((target) => allows(policies, 'Egress', from, to, to, target))
        .filter((target) => allows(policies, 'Ingress', to, from, to, target))
        .map(({ port: number, protocol }) => `${from.name} -> ${to.name} ${protocol}/${number}`),
    )
    .sort();
}

/** Whether `pod` may exchange this way with `other`: nothing selects it for the direction, or some rule allows it. */
function allows(
  policies: readonly Policy[],
  direction: 'Ingress' | 'Egress',
  pod: Endpoint,
  other: Endpoint,
  server: Endpoint,
  target: { port: number; protocol: string },
): boolean {
  const selecting = policies.filter(
    ({ metadata, spec }) =>
      pod.namespace !== undefined &&
      metadata.namespace === pod.namespace &&
      spec.policyTypes.includes(direction) &&
      selects(spec.podSelector, pod.labels),
  );
  if (selecting.length === 0) return true;
  return selecting.some(({ metadata, spec }) =>
    (direction === 'Ingress' ? spec.ingress : spec.egress).some(
      (each) => matchesPeer(each, other, metadata.namespace) && matchesPort(each, server, target),
    ),
  );
}

/** A rule without peers means everyone. An IP block may hold pods too, so it counts as everyone. */
function matchesPeer({ peers }: Rule, other: Endpoint, policyNamespace: string | undefined): boolean {
  return (
    peers.length === 0 ||
    peers.some(({ podSelector, namespaceSelector, ipBlock }) => {
      if (ipBlock !== undefined) return true;
      if (other.namespace === undefined) return false;
      const inNamespace =
        namespaceSelector === undefined
          ? other.namespace === policyNamespace
          : selects(namespaceSelector, { 'kubernetes.io/metadata.name': other.namespace });
      return inNamespace && (podSelector === undefined || selects(podSelector, other.labels));
    })
  );
}

function matchesPort({ ports }: Rule, server: Endpoint, target: { port: number; protocol: string }): boolean {
  return (
    ports.length === 0 ||
    ports.some(({ port: wanted, endPort, protocol }) => {
      if (protocol !== target.protocol) return false;
      if (wanted === undefined) return true;
      const first =
        typeof wanted === 'number' ? wanted : server.ports.find(({ name }) => name === wanted)?.port;
      return first !== undefined && target.port >= first && target.port <= (endPort ?? first);
    })
  );
}

/** An empty selector selects everything. */
function selects(
  { matchLabels, matchExpressions }: Selector,
  labels: Readonly<Record<string, string>>,
): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values }) => {
      const value = labels[key];
      switch (operator) {
        case 'In':
          return value !== undefined && values.includes(value);
        case 'NotIn':
          return value === undefined || !values.includes(value);
        case 'Exists':
          return value !== undefined;
        case 'DoesNotExist':
          return value === undefined;
      }
    })
  );
}
