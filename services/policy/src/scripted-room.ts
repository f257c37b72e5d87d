/** A policy over a scripted engine, served and connected to, for tests of its service. */
import { afterAll, beforeAll, beforeEach } from '@jest/globals';
import { PolicyServiceDefinition } from '@backsight/contract/policy';
import { connect, createLogger, type Connection } from '@backsight/rpc';
import { startPolicy } from './policy.js';
import { newScript, type Script, scriptedEngine } from './scripted-engine.js';

export interface ScriptedRoom {
  readonly address: string;
  readonly client: Connection<typeof PolicyServiceDefinition>['client'];
  /** What the engine does, and did; a test replaces it by a new one. */
  script: Script;
  /** Ends the room; the connection with it. */
  close(): Promise<void>;
}

/** One room for all tests of a file, which finds a new script before each of them. */
export function roomOfThisFile(): Pick<ScriptedRoom, 'address' | 'client'> & { readonly script: Script } {
  let open: ScriptedRoom | undefined;
  const room = () => {
    if (open === undefined) throw new Error('The room is open while tests run.');
    return open;
  };
  beforeAll(async () => {
    open = await openScriptedRoom();
  });
  beforeEach(() => {
    room().script = newScript();
  });
  afterAll(() => room().close());
  return {
    get address() {
      return room().address;
    },
    get client() {
      return room().client;
    },
    get script() {
      return room().script;
    },
  };
}

export async function openScriptedRoom(): Promise<ScriptedRoom> {
  const engine = { script: newScript() };
  const started = await startPolicy(
    config,
    scriptedEngine(() => engine.script),
    { tokenizerJson: '{"t":1}', tokenizerConfigJson: '{}', chatTemplate: '{{ x }}', files: {} },
    createLogger({ name: 'policy', level: 'silent' }),
  );
  const { address } = started;
  const { client, close } = connect(PolicyServiceDefinition, address, { retry: false });
  return Object.assign(engine, {
    address,
    client,
    close: async () => {
      close();
      await started.shutdown(100);
    },
  });
}

const config = {
  address: '127.0.0.1:0',
  metricsAddress: undefined,
  maxConnectionAgeMs: undefined,
  follow: undefined,
  openAiAddress: undefined,
  maxExamples: 20,
  maxPendingCompletions: 6,
};

/** Waits for what another task brings about. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}
