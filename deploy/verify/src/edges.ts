/** Compares what the NetworkPolicies let through with the design. */
import type { Check } from './check.js';
import { clientLabel, type Design, designedEdges, programsInside } from './design.js';
import { workloads, type Manifest } from './manifest.js';
import { allowedEdges, type Endpoint } from './network.js';

/** One check per edge of the design, and one that nothing else is open. */
export function edgeChecks(manifests: readonly Manifest[], design: Design = programsInside): Check[] {
  const allowed = new Set(allowedEdges(manifests, endpoints(manifests, design)));
  const designed = designedEdges(design);
  const extra = [...allowed].filter((edge) => !designed.includes(edge));
  return [
    ...designed.map((edge) => ({
      name: `open: ${edge}`,
      problems: allowed.has(edge) ? [] : ['no NetworkPolicy lets it through'],
    })),
    {
      name: 'closed: everything else',
      problems: extra.map((edge) => `a NetworkPolicy lets through ${edge}`),
    },
  ];
}

/** The pods of the manifests, those of the design, a client, the cluster's DNS, and three that have no business here. */
export function endpoints(manifests: readonly Manifest[], { runners }: Design = programsInside): Endpoint[] {
  const pods = workloads(manifests).map(({ metadata, spec }) => ({
    name: metadata.name,
    namespace: metadata.namespace ?? 'default',
    labels: spec.template.metadata.labels,
    ports: spec.template.spec.containers.flatMap(({ ports }) =>
      ports.map(({ name, containerPort, protocol }) => ({ name, port: containerPort, protocol })),
    ),
  }));
  const namespace = pods[0]?.namespace ?? 'default';
  return [
    ...pods,
    ...(runners === undefined ? [] : [{ name: 'a runner pod', namespace: runners, labels: {}, ports: [] }]),
    { name: 'client', namespace, labels: clientLabel, ports: [] },
    {
      name: 'dns',
      namespace: 'kube-system',
      labels: { 'k8s-app': 'kube-dns' },
      ports: [
        { port: 53, protocol: 'UDP' },
        { port: 53, protocol: 'TCP' },
      ],
    },
    { name: 'a pod of this namespace without labels', namespace, labels: {}, ports: [] },
    { name: 'a pod of another namespace', namespace: 'elsewhere', labels: clientLabel, ports: [] },
    { name: 'the world outside', labels: {}, ports: [{ port: 443, protocol: 'TCP' }] },
  ].map((endpoint) => endpoint satisfies Endpoint);
}
