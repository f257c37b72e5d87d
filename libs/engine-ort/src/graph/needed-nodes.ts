import type { Graph } from './graph.js';
import type { Node } from './node.js';
import type { Value } from './value.js';

/**
 * The nodes that the graph's outputs depend on, in order.
 *
 * ONNX Runtime runs every node of a model. To differentiate leaves some behind: of what is computed again, what no
 * derivative reads.
 */
export function neededNodes(graph: Graph): readonly Node[] {
  const needed = new Set<Value>(graph.outputs.values());
  const found: Node[] = [];
  for (const node of [...graph.nodes].reverse()) {
    if (node.isWritten === false || !node.outputs.some((output) => output && needed.has(output))) continue;
    found.push(node);
    for (const input of node.inputs) if (input !== undefined) needed.add(input);
  }
  return found.reverse();
}
