/** A policy over a scripted engine, served and connected to, for tests of its service. */
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
