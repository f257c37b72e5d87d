import './no-telemetry.js';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { ExecutionProvider } from './execution-provider.js';
import type { Graph } from './graph/graph.js';
import { modelBytes } from './graph/model-bytes.js';

/** Named tensors that a session is fed. */
export type Feeds = Readonly<Record<string, Tensor>>;

/** A graph loaded into ONNX Runtime, which runs it any number of times. */
export class Session {
  private constructor(
    private readonly session: InferenceSession,
    private readonly outputNames: readonly string[],
  ) {}

  /**
   * Loads a graph for a provider, by default the CPU, with `threads` threads per operator where the CPU runs it.
   *
   * What every node took is written to a file whose name begins with `profile` once the session is released; absent: nowhere.
   */
  static async load(
    graph: Graph,
    threads: number,
    provider: ExecutionProvider = 'cpu',
    profile?: string,
  ): Promise<Session> {
    const session = await InferenceSession.create(modelBytes(graph), {
      executionProviders: [provider],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      graphOptimizationLevel: 'all',
      // Shapes change from run to run, and a pattern per shape only costs memory.
      enableMemPattern: false,
      extra: { session: waiting },
      logSeverityLevel: 3,
      ...(profile !== undefined && { enableProfiling: true, profileFilePrefix: profile }),
    });
    return new Session(session, [...graph.outputs.keys()]);
  }

  /**
   * Runs the graph. Outputs named in `into` are written to those tensors, the others to new memory; onnxruntime-node copies
   * either to new arrays, so a large output is dear, and `free` is for those.
   *
   * A run blocks the thread and cannot be cancelled: bound its work.
   */
  async run(feeds: Feeds, into: Feeds = {}): Promise<Outputs> {
    const fetches = Object.fromEntries(this.outputNames.map((name) => [name, into[name] ?? null]));
    const given = new Set(Object.values(into).map(bufferOf));
    return new Outputs(await this.session.run(feeds, fetches), given);
  }

  async release(): Promise<void> {
    await this.session.release();
  }
}

/**
 * How threads wait for the next node: awake at first, since the next node mostly comes at once and to wake a thread takes as
 * long as many nodes do, and only while a run goes on.
 *
 * Threads that waited awake without bound would hold the cores that other rooms need.
 */
const waiting = {
  intra_op: { allow_spinning: '1', spin_duration_us: '20' },
  inter_op: { allow_spinning: '0' },
  force_spinning_stop: '1',
} as const;

/** What one run computed. */
export class Outputs {
  constructor(
    private readonly values: InferenceSession.OnnxValueMapType,
    /** Memory that stays the caller's. */
    private readonly given: ReadonlySet<ArrayBufferLike | undefined>,
  ) {}

  /** The elements of a float32 output, row-major. */
  floats(name: string): Float32Array {
    const data = this.data(name);
    if (data instanceof Float32Array) return data;
    throw new Error(`Output ${name} is not float32.`);
  }

  /** The elements of an int64 output, row-major. */
  integers(name: string): BigInt64Array {
    const data = this.data(name);
    if (data instanceof BigInt64Array) return data;
    throw new Error(`Output ${name} is not int64.`);
  }

  /** Gives up all outputs' memory at once, which the collector would leave lying for a while; they cannot be read any more. */
  free(): void {
    const buffers = Object.values(this.values)
      .map(bufferOf)
      .filter((buffer): buffer is ArrayBuffer => buffer instanceof ArrayBuffer && !this.given.has(buffer));
    nowhere.postMessage(undefined, [...new Set(buffers)]);
  }

  private data(name: string): unknown {
    const tensor = this.values[name];
    if (tensor === undefined) throw new Error(`The session has no output ${name}.`);
    return tensor.data;
  }
}

/** A port whose other end is closed: memory that is handed to it is gone. */
const nowhere = portToNowhere();

function portToNowhere(): MessagePort {
  const { port1, port2 } = new MessageChannel();
  port2.close();
  return port1;
}

/** The memory of a tensor of numbers. */
function bufferOf({ data }: Tensor): ArrayBufferLike | undefined {
  return ArrayBuffer.isView(data) ? data.buffer : undefined;
}

/** A float32 tensor over the given memory, which stays the caller's. */
export function floatTensor(data: Float32Array, shape: readonly number[]): Tensor {
  return new Tensor('float32', data, shape);
}

/** An int64 tensor of whole numbers. */
export function idTensor(values: readonly number[], shape: readonly number[]): Tensor {
  return new Tensor('int64', BigInt64Array.from(values, BigInt), shape);
}

/** An int32 tensor of whole numbers. */
export function int32Tensor(values: readonly number[], shape: readonly number[]): Tensor {
  return new Tensor('int32', Int32Array.from(values), shape);
}
