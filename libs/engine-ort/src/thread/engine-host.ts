import type { MessagePort } from 'node:worker_threads';
import { WeightSet, type Engine, type SampledToken } from '@backsight/engine';
import {
  completionKey,
  tellVersion,
  type Call,
  type CallMessage,
  type FromCaller,
  type FromHost,
  type VersionCell,
} from './messages.js';
import { packError } from './packed-error.js';

/** Performs one call on the engine and answers on the call's channel. Never rejects. */
export async function serveCall(
  engine: Engine,
  { call, port }: CallMessage,
  version: VersionCell,
): Promise<void> {
  const caller = listenTo(port);
  try {
    const { value, owned } = await perform(engine, call, caller, port);
    tellVersion(version, engine);
    say(port, { kind: 'done', value }, owned);
  } catch (error) {
    say(port, { kind: 'failed', error: packError(error) });
  }
}

/** What the caller has said so far. */
interface Caller {
  /** Aborts when the caller gives up. */
  readonly signal: AbortSignal;
  /** Completions that it wants no more of. */
  readonly ended: ReadonlySet<string>;
}

function listenTo(port: MessagePort): Caller {
  const gone = new AbortController();
  const ended = new Set<string>();
  port.on('message', (message: FromCaller) => {
    if (message.kind === 'cancel') gone.abort();
    else ended.add(completionKey(message));
  });
  port.on('close', () => {
    gone.abort();
  });
  return { signal: gone.signal, ended };
}

interface Performed {
  readonly value: unknown;
  /** Memory that goes over to the caller without a copy. */
  readonly owned?: ArrayBufferLike;
}

const nothing: Performed = { value: undefined };

async function perform(engine: Engine, call: Call, caller: Caller, port: MessagePort): Promise<Performed> {
  const { signal } = caller;
  switch (call.method) {
    case 'generate': {
      const onToken = (token: SampledToken) => {
        say(port, { kind: 'token', token });
        return caller.ended.has(completionKey(token)) ? 'end' : 'go-on';
      };
      const request = { ...call.request, ...(call.tellTokens && { onToken }) };
      for await (const completion of engine.generate(request, signal))
        say(port, { kind: 'completion', completion });
      return nothing;
    }
    case 'score':
      return { value: await engine.score(call.request, signal) };
    case 'trainStep':
      return { value: await engine.trainStep(call.plan, call.examples, signal) };
    case 'saveCheckpoint':
      return { value: await engine.saveCheckpoint(call.name, call.score) };
    case 'restoreCheckpoint':
      return { value: await engine.restoreCheckpoint(call.name) };
    case 'listCheckpoints':
      return { value: await engine.listCheckpoints() };
    case 'exportCheckpoint':
      return { value: await engine.exportCheckpoint(call.name, call.layout) };
    case 'readWeights': {
      const { version, weights } = await engine.readWeights();
      const { table, flat } = weights;
      return { value: { version, table, flat }, owned: flat.buffer };
    }
    case 'replaceWeights': {
      const { version, table, flat } = call.replacement;
      await engine.replaceWeights({ version, weights: new WeightSet(table, flat) });
      return nothing;
    }
    case 'close':
      await engine.close();
      return nothing;
  }
}

function say(port: MessagePort, message: FromHost<unknown>, owned?: ArrayBufferLike): void {
  port.postMessage(message, owned instanceof ArrayBuffer ? [owned] : []);
}
