/** Checks that each room of the design is there whole: its workload, its headless Service, its port, its probes, its time to end. */
import { z } from 'zod';
import { statement, type Check } from './check.js';
import { type Design, drainSeconds, programsInside, type RoomDesign } from './design.js';
import { hasLabels, services, workloads, type Manifest, type Workload } from './manifest.js';

const probe = z.looseObject({ grpc: z.looseObject({ port: z.number(), service: z.string().default('') }) });

/** The name that each probe asks about. A room that cannot serve for now is not ready, and is not to be killed for it. */
const asked = { startupProbe: 'liveness', readinessProbe: '', livenessProbe: 'liveness' } as const;

/** What Kubernetes grants a pod that does not say how long it takes to end, in seconds. */
const kubernetesGraceSeconds = 30;

/** The checks of every room, and one that there is no other. */
export function roomChecks(manifests: readonly Manifest[], { rooms }: Design = programsInside): Check[] {
  const present = workloads(manifests);
  const strangers = present.map(({ metadata }) => metadata.name).filter((name) => !(name in rooms));
  return [
    ...Object.entries(rooms).flatMap(([name, room]) => checksOf(name, room, present, manifests)),
    {
      name: 'no workload beside the rooms',
      problems: strangers.map((name) => `${name} is no room of the design`),
    },
  ];
}

function checksOf(
  name: string,
  room: RoomDesign,
  present: readonly Workload[],
  manifests: readonly Manifest[],
): Check[] {
  const workload = present.find(({ kind, metadata }) => kind === room.kind && metadata.name === name);
  if (workload === undefined)
    return [{ name: `${name} is there`, problems: [`there is no ${room.kind}/${name}`] }];
  const says = (rule: string, holds: boolean): Check => statement(`${name}: ${rule}`, holds);
  const { template, selector, serviceName } = workload.spec;
  const { endSeconds = drainSeconds } = room;
  const { terminationGracePeriodSeconds: grace = kubernetesGraceSeconds } = template.spec;
  const container = template.spec.containers.find((each) => each.name === name);
  const service = services(manifests).find(({ metadata }) => metadata.name === name);
  return [
    says('its workload selects its own pods', hasLabels(template.metadata.labels, selector.matchLabels)),
    says(
      `serves on port ${room.port}`,
      container?.ports.some(({ containerPort }) => containerPort === room.port) === true,
    ),
    says('its Service is headless, so that callers see every replica', service?.spec.clusterIP === 'None'),
    says(
      'its Service selects its pods and no other room’s',
      service !== undefined &&
        present
          .filter(({ spec }) => hasLabels(spec.template.metadata.labels, service.spec.selector))
          .every(({ metadata }) => metadata.name === name) &&
        hasLabels(template.metadata.labels, service.spec.selector),
    ),
    says('its Service names its port', service?.spec.ports.some(({ port }) => port === room.port) === true),
    says('a StatefulSet names its Service', room.kind === 'Deployment' || serviceName === name),
    {
      name: `${name}: what it does on SIGTERM is not cut short`,
      problems:
        grace >= endSeconds
          ? []
          : [`terminationGracePeriodSeconds must be at least ${endSeconds}, is ${grace}`],
    },
    ...Object.entries(asked).map(([each, name]) => {
      const grpc = probe.safeParse(container?.[each]).data?.grpc;
      return says(
        `its ${each} asks grpc.health.v1 about "${name}"`,
        grpc?.port === room.port && grpc.service === name,
      );
    }),
  ];
}
