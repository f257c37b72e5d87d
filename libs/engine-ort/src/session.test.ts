import { describe, expect, it } from '@jest/globals';
import { Graph } from './graph/graph.js';
import { add } from './graph/ops/add.js';
import { floatTensor, Session } from './session.js';

describe('Outputs', () => {
  it('gives up its memory when it is freed, and not what the run was given', async () => {
    const graph = new Graph();
    const value = graph.input('value', 'float32', [3]);
    graph.output('twice', add(graph, value, value));
    const session = await Session.load(graph, 1);
    const [fed, written] = [Float32Array.of(1, 2, 3), new Float32Array(3)];
    const outputs = await session.run({ value: floatTensor(fed, [3]) }, { twice: floatTensor(written, [3]) });
    const read = outputs.floats('twice');
    expect([...read]).toEqual([2, 4, 6]);
    outputs.free();
    expect(read).toHaveLength(0);
    expect([...fed]).toEqual([1, 2, 3]);
    expect([...written]).toEqual([2, 4, 6]);
    await session.release();
  });
});
