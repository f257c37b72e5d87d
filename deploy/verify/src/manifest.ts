/** A manifest is one Kubernetes object; here are the parts of it that the checks read, parsed and not trusted. */
import { z } from 'zod';

const labels = z.record(z.string(), z.string()).default({});

/** What every object has. */
export const manifestSchema = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string(), namespace: z.string().optional(), labels }),
});
export type Manifest = z.infer<typeof manifestSchema>;

const containerSchema = z.looseObject({
  name: z.string(),
  image: z.string().optional(),
  ports: z
    .array(
      z.looseObject({
        name: z.string().optional(),
        containerPort: z.number(),
        protocol: z.enum(['TCP', 'UDP', 'SCTP']).default('TCP'),
      }),
    )
    .default([]),
  securityContext: z.looseObject({}).default({}),
  resources: z
    .looseObject({
      requests: z.record(z.string(), z.unknown()).default({}),
      limits: z.record(z.string(), z.unknown()).default({}),
    })
    .default({ requests: {}, limits: {} }),
});
export type Container = z.infer<typeof containerSchema>;

const podSchema = z.looseObject({
  metadata: z.looseObject({ labels }),
  spec: z.looseObject({
    containers: z.array(containerSchema),
    initContainers: z.array(containerSchema).default([]),
    securityContext: z.looseObject({}).default({}),
    terminationGracePeriodSeconds: z.number().optional(),
    volumes: z.array(z.looseObject({ name: z.string() })).default([]),
  }),
});
export type Pod = z.infer<typeof podSchema>;

const workloadSchema = manifestSchema.extend({
  spec: z.looseObject({
    serviceName: z.string().optional(),
    selector: z.looseObject({ matchLabels: labels }),
    template: podSchema,
  }),
});
export type Workload = z.infer<typeof workloadSchema>;

const serviceSchema = manifestSchema.extend({
  spec: z.looseObject({
    clusterIP: z.string().optional(),
    selector: labels,
    ports: z.array(
      z.looseObject({
        port: z.number(),
        targetPort: z.union([z.string(), z.number()]).optional(),
        protocol: z.string().default('TCP'),
      }),
    ),
  }),
});
export type Service = z.infer<typeof serviceSchema>;

/** A pod by itself, as the workload that it is the only pod of. */
export function podOf(manifest: Manifest): Workload {
  const labels = { ...manifest.metadata.labels };
  const template = { metadata: { labels }, spec: manifest['spec'] };
  return workloadSchema.parse({ ...manifest, spec: { selector: { matchLabels: labels }, template } });
}

/** How a manifest is named in messages, e.g. `Deployment/judge`. */
export const nameOf = ({ kind, metadata }: Manifest): string => `${kind}/${metadata.name}`;

/** The objects that run pods. */
export const workloads = (manifests: readonly Manifest[]): Workload[] =>
  manifests
    .filter(({ kind }) => ['Deployment', 'StatefulSet', 'DaemonSet'].includes(kind))
    .map((manifest) => workloadSchema.parse(manifest));

export const services = (manifests: readonly Manifest[]): Service[] =>
  manifests.filter(({ kind }) => kind === 'Service').map((manifest) => serviceSchema.parse(manifest));

/** Whether an object's labels hold all that a selector asks for. */
export const hasLabels = (
  has: Readonly<Record<string, string>>,
  wanted: Readonly<Record<string, string>>,
): boolean => Object.entries(wanted).every(([key, value]) => has[key] === value);
