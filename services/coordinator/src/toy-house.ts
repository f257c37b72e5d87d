/** A house for tests: a policy, a toy environment and a coordinator on loopback ports, in one process. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CoordinatorServiceDefinition,
  type CoordinatorServiceClient,
  type Run,
} from '@backsight/contract/coordinator';
import { EnvironmentServiceDefinition } from '@backsight/contract/environment';
import {
  type PolicyServiceClient,
  PolicyServiceDefinition,
  type PolicyServiceImplementation,
} from '@backsight/contract/policy';
import { environmentService, type Environment } from '@backsight/environment';
import { connect, createLogger, serve, service } from '@backsight/rpc';
import { startCoordinator } from './start.js';

const logger = createLogger({ name: 'toy', level: 'silent' });
const anywhere = '127.0.0.1:0';
const open = new Set<{ close(): Promise<void> }>();

/** A policy that a test can look into. */
interface Served {
  readonly implementation: PolicyServiceImplementation;
}

export interface ToyHouse<Policy extends Served, World extends Environment> {
  readonly policy: Policy;
  readonly world: World;
  readonly addresses: { readonly policy: string; readonly environment: string };
  readonly policyClient: PolicyServiceClient;
  /** Of the coordinator that runs at the moment. */
  readonly client: CoordinatorServiceClient;
  /** A recipe of three steps, with changes. */
  recipe(changes?: Readonly<Record<string, unknown>>): string;
  /** Starts a run of that recipe. */
  create(changes?: Readonly<Record<string, unknown>>): Promise<Run>;
  /** Ends the coordinator; rooms and store stay. */
  shutDown(): Promise<void>;
  /** Starts a coordinator on the store, after ending the one that runs. */
  restart(patienceSeconds?: number): Promise<void>;
}

/** Opens a house; `closeToyHouses` closes it. */
export async function openToyHouse<Policy extends Served, World extends Environment>(
  policy: Policy,
  world: World,
): Promise<ToyHouse<Policy, World>> {
  const folder = mkdtempSync(join(tmpdir(), 'toy-house-'));
  const rooms = await openToyRooms(policy.implementation, world);
  const policyConnection = connect(PolicyServiceDefinition, rooms.addresses.policy);
  let coordinator = await startOn(join(folder, 'store.sqlite'));
  open.add({
    close: async () => {
      await coordinator.close();
      policyConnection.close();
      await rooms.close();
      rmSync(folder, { recursive: true, force: true });
    },
  });
  const house: ToyHouse<Policy, World> = {
    policy,
    world,
    addresses: rooms.addresses,
    policyClient: policyConnection.client,
    get client() {
      return coordinator.client;
    },
    recipe: (changes = {}) => toyRecipe(rooms.addresses, changes),
    create: async (changes) => {
      const { run } = await coordinator.client.createRun({ recipeYaml: house.recipe(changes) });
      if (run === undefined) throw new Error('CreateRun returned no run.');
      return run;
    },
    shutDown: () => coordinator.close(),
    restart: async (patienceSeconds) => {
      await coordinator.close();
      coordinator = await startOn(join(folder, 'store.sqlite'), patienceSeconds);
    },
  };
  return house;
}

/** Closes every house that is open. */
export async function closeToyHouses(): Promise<void> {
  const houses = [...open];
  open.clear();
  await Promise.all(houses.map((house) => house.close()));
}

export interface ToyRooms {
  readonly addresses: { readonly policy: string; readonly environment: string };
  close(): Promise<void>;
}

/** Serves a policy and an environment. */
export async function openToyRooms(
  policy: PolicyServiceImplementation,
  environment: Environment,
): Promise<ToyRooms> {
  const answers = environmentService(environment, { logger, retryAfterMs: 20 });
  const [policyServer, environmentServer] = await Promise.all([
    serve({
      name: 'policy',
      address: anywhere,
      services: [service(PolicyServiceDefinition, policy)],
      logger,
    }),
    serve({
      name: 'environment',
      address: anywhere,
      services: [service(EnvironmentServiceDefinition, answers)],
      logger,
    }),
  ]);
  return {
    addresses: { policy: policyServer.address, environment: environmentServer.address },
    close: async () => {
      await Promise.all([policyServer.shutdown(50), environmentServer.shutdown(50)]);
    },
  };
}

/** A recipe in JSON, which is YAML too. */
export function toyRecipe(
  addresses: ToyRooms['addresses'],
  changes: Readonly<Record<string, unknown>> = {},
): string {
  return JSON.stringify({
    name: 'toy run',
    seed: 7,
    steps: 3,
    tasksPerStep: 2,
    groupSize: 3,
    policy: { address: addresses.policy },
    environment: { address: addresses.environment, split: 'train' },
    sampling: { maxTokens: 64 },
    objective: { distillation: { alpha: 0.5, support: { kind: 'full' } } },
    optimizer: { learningRate: 0.001 },
    miniBatches: 2,
    ...changes,
  });
}

async function startOn(store: string, patienceSeconds = 5) {
  const room = await startCoordinator(
    {
      address: anywhere,
      metricsAddress: undefined,
      logLevel: 'silent',
      maxConnectionAgeMs: undefined,
      store,
      patienceSeconds,
      followers: new Map(),
    },
    { logger },
  );
  const connection = connect(CoordinatorServiceDefinition, room.address);
  let closed: Promise<void> | undefined;
  return {
    client: connection.client,
    close: () =>
      (closed ??= room.shutdown(200).then(() => {
        connection.close();
      })),
  };
}
