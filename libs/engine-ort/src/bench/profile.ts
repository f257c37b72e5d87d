import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** Where the runs of one kind of session spent their time, over all of an engine's life. */
export interface SessionProfile {
  /** Of the graph: `decoding`, `prompts`, `scoring`, `hidden` or `training`. */
  readonly kind: string;
  readonly runs: number;
  /** Of all runs, within ONNX Runtime. */
  readonly seconds: number;
  /** Largest first; what no node took is the last. */
  readonly parts: readonly ProfilePart[];
}

/** Nodes of one kind. */
export interface ProfilePart {
  readonly name: string;
  readonly seconds: number;
  /** Of matrix products: multiplications and additions, over all runs; of other nodes 0. */
  readonly flops: number;
}

/** Reads the profiles that the sessions of an engine left in a folder, the largest kind of session first. */
export async function readProfiles(folder: string): Promise<readonly SessionProfile[]> {
  const sums = new Map<string, Sum>();
  for (const file of await readdir(folder)) {
    const kind = file.split('-', 1)[0] ?? file;
    const sum = sums.get(kind) ?? { runs: 0, seconds: 0, parts: new Map() };
    sums.set(kind, sum);
    // One event a line: the whole of a file may be longer than a string can be.
    for await (const line of createInterface({ input: createReadStream(join(folder, file)) })) {
      const event = parseEvent(line);
      if (event !== undefined) count(sum, event);
    }
  }
  return [...sums]
    .map(([kind, { runs, seconds, parts }]) => {
      const nodes = [...parts].map(([name, part]) => ({ name, ...part }));
      const rest = seconds - nodes.reduce((sum, part) => sum + part.seconds, 0);
      return {
        kind,
        runs,
        seconds,
        parts: [
          ...nodes.sort((a, b) => b.seconds - a.seconds),
          { name: 'between nodes', seconds: rest, flops: 0 },
        ],
      };
    })
    .sort((a, b) => b.seconds - a.seconds);
}

interface Sum {
  runs: number;
  seconds: number;
  readonly parts: Map<string, { seconds: number; flops: number }>;
}

/** One run of a session, or of one node. */
type ProfileEvent =
  | { readonly kind: 'run'; readonly seconds: number }
  | { readonly kind: 'node'; readonly seconds: number; readonly name: string; readonly flops: number };

function count(sum: Sum, event: ProfileEvent): void {
  if (event.kind === 'run') {
    sum.runs += 1;
    sum.seconds += event.seconds;
    return;
  }
  const part = sum.parts.get(event.name) ?? { seconds: 0, flops: 0 };
  part.seconds += event.seconds;
  part.flops += event.flops;
  sum.parts.set(event.name, part);
}

/** An event in ONNX Runtime's trace, which is an array with an element a line; other events tell nothing here. */
function parseEvent(line: string): ProfileEvent | undefined {
  if (!line.startsWith('{')) return undefined;
  const event: unknown = JSON.parse(line.replace(/,\s*$/, ''));
  if (!isRecord(event) || typeof event['dur'] !== 'number') return undefined;
  const seconds = event['dur'] / 1e6;
  if (event['cat'] === 'Session' && event['name'] === 'model_run') return { kind: 'run', seconds };
  const args = event['args'];
  if (event['cat'] !== 'Node' || !isRecord(args)) return undefined;
  const op = args['op_name'];
  if (typeof op !== 'string' || !String(event['name']).endsWith('_kernel_time')) return undefined;
  const [left, right] = shapes(args['input_type_shape']);
  const [output] = shapes(args['output_type_shape']);
  if (!productOps.has(op) || left === undefined || right === undefined || output === undefined)
    return { kind: 'node', seconds, name: partsByOp.get(op) ?? op, flops: 0 };
  const name = right.length === 2 ? 'products of matrices' : 'products of stacks of matrices';
  return { kind: 'node', seconds, name, flops: productFlops(left, output) };
}

/** Whichever operands are turned over: the left matrix has M x K elements, and the product M rows. */
function productFlops(left: readonly number[], output: readonly number[]): number {
  const rows = output.at(-2) ?? 1;
  const inner = ((left.at(-1) ?? 1) * (left.at(-2) ?? 1)) / rows;
  return 2 * inner * output.reduce((size, length) => size * length, 1);
}

/** Shapes as ONNX Runtime writes them: `[{"float": [2, 3]}, ...]`. */
function shapes(value: unknown): readonly (readonly number[])[] {
  if (!Array.isArray(value)) return [];
  return value.map((tensor: unknown) => {
    const [shape]: unknown[] = isRecord(tensor) ? Object.values(tensor) : [];
    return Array.isArray(shape) ? shape.map(Number) : [];
  });
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

const productOps: ReadonlySet<string> = new Set(['FusedMatMul', 'MatMul', 'Gemm', 'FusedGemm']);

/** What operators do; one that is not here goes by its own name. */
const operators: Readonly<Record<string, readonly string[]>> = {
  softmax: ['Softmax', 'LogSoftmax'],
  'fused attention': ['GroupQueryAttention'],
  'norms and rotary': ['SimplifiedLayerNormalization', 'SkipSimplifiedLayerNormalization', 'RotaryEmbedding'],
  'element by element': [
    ...['Add', 'Sub', 'Mul', 'Div', 'Sum', 'Neg', 'Exp', 'Log', 'Sqrt', 'Reciprocal', 'Sigmoid', 'QuickGelu'],
    ...[
      'Min',
      'Max',
      'Clip',
      'Where',
      'Equal',
      'Less',
      'Greater',
      'LessOrEqual',
      'GreaterOrEqual',
      'Not',
      'And',
    ],
    ...['Cast', 'Sign', 'Abs', 'FusedMul', 'BiasAdd'],
  ],
  'sums and means': [
    'ReduceSum',
    'ReduceMean',
    'ReduceMax',
    'ReduceMin',
    'ReduceLogSumExp',
    'CumSum',
    'ArgMax',
  ],
  'cuts, joins, gathers, turns': [
    ...['Split', 'Slice', 'Concat', 'Gather', 'GatherND', 'GatherElements', 'ScatterND', 'ScatterElements'],
    ...['Transpose', 'Expand', 'Reshape', 'Squeeze', 'Unsqueeze', 'Identity', 'OneHot', 'ConstantOfShape'],
  ],
  shapes: ['Shape', 'Size', 'Range'],
};

const partsByOp: ReadonlyMap<string, string> = new Map(
  Object.entries(operators).flatMap(([part, ops]) => ops.map((op) => [op, part] as const)),
);
