/** What docs/architecture.md promises of a deployment, as a table: the rooms, their ports, and who may call whom. */
import type { Edge } from './network.js';

export interface RoomDesign {
  readonly kind: 'Deployment' | 'StatefulSet';
  /** Where it serves gRPC. */
  readonly port: number;
  /** The rooms it calls. Only the coordinator calls. */
  readonly calls: readonly string[];
}

export const rooms: Readonly<Record<string, RoomDesign>> = {
  coordinator: { kind: 'StatefulSet', port: 7100, calls: ['policy', 'judge', 'tools', 'science'] },
  policy: { kind: 'StatefulSet', port: 7101, calls: [] },
  judge: { kind: 'Deployment', port: 7102, calls: [] },
  tools: { kind: 'Deployment', port: 7103, calls: [] },
  science: { kind: 'Deployment', port: 7104, calls: [] },
};

/** The label of a pod that acts for a person: it may call the coordinator. */
export const clientLabel = { 'backsight.dev/client': 'true' };

/** Security settings that a room may have beside the rule, each with its reason; all others follow the rule. */
export const exceptions: Readonly<Record<string, readonly string[]>> = {
  // The judge makes user namespaces of its own inside the pod's, which the runtime's default profiles refuse.
  judge: ['seccompProfile', 'appArmorProfile', 'procMount'],
};

/** The connections of the design: calls between rooms, people to the coordinator, and names for those who call. */
export function designedEdges(): Edge[] {
  const callers = [
    ...Object.entries(rooms).map(([name, { calls }]) => ({ name, calls })),
    { name: 'client', calls: ['coordinator'] },
  ].filter(({ calls }) => calls.length > 0);
  return callers
    .flatMap(({ name, calls }) => [
      ...calls.map((to) => `${name} -> ${to} TCP/${rooms[to]?.port ?? 0}`),
      `${name} -> dns TCP/53`,
      `${name} -> dns UDP/53`,
    ])
    .sort();
}
