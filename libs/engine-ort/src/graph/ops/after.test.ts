import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { InferenceSession } from 'onnxruntime-node';
import { floatTensor } from '../../session.js';
import { Graph } from '../graph.js';
import { modelBytes } from '../model-bytes.js';
import { after } from './after.js';
import { silu } from './silu.js';

const matrix = (first: number) => floatTensor(Float32Array.of(first, 2, 3, 4, 5, 6), [3, 2]);

/** Two results that have nothing to do with each other, of which the first is to be computed last. */
function twoResults(chained: boolean): Graph {
  const graph = new Graph();
  const late = graph.input('late', 'float32', ['N', 2]);
  const early = graph.input('early', 'float32', ['M', 2]);
  const earlyResult = graph.scope('early', () => silu(graph, early));
  const matrix = chained ? after(graph, late, [earlyResult]) : late;
  graph.output(
    'late result',
    graph.scope('late', () => silu(graph, matrix)),
  );
  graph.output('early result', earlyResult);
  return graph;
}

describe('after', () => {
  it('leaves every element as it is, also after values that are no numbers', async () => {
    const session = await InferenceSession.create(modelBytes(twoResults(true)));
    for (const first of [1, 0, -Infinity, Number.NaN]) {
      const results = await session.run({ late: matrix(1), early: matrix(first) });
      expect(results['late result']!.dims).toEqual([3, 2]);
      expect(results['late result']!.data).toEqual(
        (await session.run({ late: matrix(1), early: matrix(1) }))['late result']!.data,
      );
    }
    await session.release();
  });

  it('holds a computation back, past all that ONNX Runtime optimizes', async () => {
    const order = async (chained: boolean) =>
      (await executionOrder(twoResults(chained))).filter((name) => name.includes('QuickGelu'));
    expect(await order(false)).toEqual(['late/QuickGelu', 'early/QuickGelu']);
    expect(await order(true)).toEqual(['early/QuickGelu', 'late/QuickGelu']);
  });
});

/** Names of the nodes in the order in which they ran. */
async function executionOrder(graph: Graph): Promise<readonly string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'profile-'));
  try {
    const session = await InferenceSession.create(modelBytes(graph), {
      graphOptimizationLevel: 'all',
      enableProfiling: true,
      profileFilePrefix: join(folder, 'run'),
    });
    await session.run({ late: matrix(1), early: matrix(1) });
    session.endProfiling();
    await session.release();
    const [file] = await readdir(folder);
    const events = JSON.parse(await readFile(join(folder, file!), 'utf8')) as { name: string }[];
    return events.flatMap(({ name }) =>
      name.endsWith('_kernel_time') ? [name.slice(0, -'_kernel_time'.length)] : [],
    );
  } finally {
    await rm(folder, { recursive: true });
  }
}
