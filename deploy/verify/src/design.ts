/** What docs/architecture.md promises of a deployment, as a table: the rooms, their ports, and who may call whom. */
import type { Edge } from './network.js';

export interface RoomDesign {
  readonly kind: 'Deployment' | 'StatefulSet';
  /** Where it serves gRPC. */
  readonly port: number;
  /** The rooms it calls. Only the coordinator calls, and followers the policy for its weights. */
  readonly calls: readonly string[];
  /** How long it may take to end after SIGTERM, in seconds. Default: `drainSeconds`. */
  readonly endSeconds?: number;
}

/** A room ends calls within 10 s, and itself 5 s later at the latest. */
export const drainSeconds = 15;

/**
 * The trainer on PyTorch also saves what no checkpoint has: 16 bytes for each weight, at 100 MB/s those of 1.8 billion
 * weights in the rest of this time.
 */
const torchTrainerEndSeconds = 300;

export const rooms: Readonly<Record<string, RoomDesign>> = {
  coordinator: { kind: 'StatefulSet', port: 7100, calls: ['policy', 'judge', 'tools', 'science'] },
  policy: { kind: 'StatefulSet', port: 7101, calls: [] },
  judge: { kind: 'Deployment', port: 7102, calls: [] },
  tools: { kind: 'Deployment', port: 7103, calls: [] },
  science: { kind: 'Deployment', port: 7104, calls: [] },
};

/** The label of a pod that acts for a person: it may call the coordinator. */
export const clientLabel = { 'backsight.dev/client': 'true' };

/** What differs between deployments: which rooms there are, and where untrusted programs run. */
export interface Design {
  readonly rooms: Readonly<Record<string, RoomDesign>>;
  /** Security settings that a room may have beside the rule, each with its reason; all others follow the rule. */
  readonly exceptions: Readonly<Record<string, readonly string[]>>;
  /** The rooms that call the Kubernetes API. */
  readonly callsApi: readonly string[];
  /** The namespace of runner pods, where there are any. */
  readonly runners: string | undefined;
}

/** Programs run inside the judge's own pod. */
export const programsInside: Design = {
  rooms,
  // The judge makes user namespaces of its own inside the pod's, which the runtime's default profiles refuse.
  exceptions: { judge: ['seccompProfile', 'appArmorProfile', 'procMount'] },
  callsApi: [],
  runners: undefined,
};

/** Programs run in pods that the judge asks the Kubernetes API for. */
export const programsApart: Design = {
  rooms,
  exceptions: { judge: ['token'] },
  callsApi: ['judge'],
  runners: 'judge-sandboxes',
};

/** Followers sample in the place of a policy on PyTorch. */
export const policyFollowed: Design = {
  ...programsInside,
  rooms: {
    ...rooms,
    policy: { kind: 'StatefulSet', port: 7101, calls: [], endSeconds: torchTrainerEndSeconds },
    coordinator: {
      kind: 'StatefulSet',
      port: 7100,
      calls: [...(rooms['coordinator']?.calls ?? []), 'policy-follower'],
    },
    'policy-follower': { kind: 'StatefulSet', port: 7101, calls: ['policy'] },
  },
};

/** What the judge asks of the API in the namespace of its runner pods, as `verb resource`; its Role allows just this. */
export const runnerRights = [
  ...['create', 'delete', 'get', 'list', 'watch'].map((verb) => `${verb} pods`),
  ...['create', 'get'].map((verb) => `${verb} pods/exec`),
];

/** The connections of the design: calls between rooms, people to the coordinator, and names for those who call. */
export function designedEdges({ rooms, callsApi }: Design = programsInside): Edge[] {
  const callers = [
    ...Object.entries(rooms).map(([name, { calls }]) => ({ name, calls })),
    { name: 'client', calls: ['coordinator'] },
  ].filter(({ calls }) => calls.length > 0);
  return [
    ...callers.flatMap(({ name, calls }) => [
      ...calls.map((to) => `${name} -> ${to} TCP/${rooms[to]?.port ?? 0}`),
      `${name} -> dns TCP/53`,
      `${name} -> dns UDP/53`,
    ]),
    // By its address, which every pod is told: no name is looked up.
    ...callsApi.map((name) => `${name} -> the world outside TCP/443`),
  ].sort();
}
