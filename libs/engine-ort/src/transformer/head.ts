import type { ModelConfig } from '@backsight/engine';
import type { Seed } from '../graph/differentiate.js';
import type { Graph } from '../graph/graph.js';
import { add } from '../graph/ops/add.js';
import { matmul } from '../graph/ops/matmul.js';
import { scale } from '../graph/ops/multiply.js';
import type { Value } from '../graph/value.js';
import {
  addObjective,
  declareTokenInput,
  tokenInputNames,
  type ObjectiveStructure,
} from '../objective/objective-graph.js';
import { project } from './forward.js';
import { inShares } from './in-shares.js';

/** Names of what the teacher hands to a training graph. Shapes [N, D] and [V, D]. */
export const teacherInputs = {
  hidden: 'teacher_hidden',
  output: 'teacher_output',
  liveHidden: 'live_hidden',
  liveOutput: 'live_output',
} as const;

/** What is fixed when a head is built. */
export interface HeadOptions {
  readonly objective: ObjectiveStructure;
  /** Share of the live logits in a trust-region teacher's; absent: the teacher is one weight set. */
  readonly trustRegionRate?: number;
  /** Shares of the rows that are worked on one after the other, at least 1. */
  readonly shares: number;
  /** The output projection is not trained, and its gradient not computed. */
  readonly frozenOutput?: boolean;
}

/**
 * From final hidden states to the objective and back: declares what it reads per token, writes the objective's figures,
 * and returns the gradients by the hidden states, shape [N, D], and by the output projection, shape [V, D], if that is trained.
 */
export function head(
  graph: Graph,
  config: ModelConfig,
  options: HeadOptions,
  hidden: Value,
  output: Value,
): readonly Seed[] {
  const { objective, shares, frozenOutput = false } = options;
  const teacher = objective.distillation && declareTeacher(graph, config, options.trustRegionRate);
  const rows = new Map([[hiddenRows, hidden], ...(teacher?.rows ?? [])]);
  for (const name of tokenInputNames(objective)) rows.set(name, declareTokenInput(graph, name));
  let outputGradient: Value | undefined;
  const results = inShares(graph, shares, rows, (row) => {
    const states = row(hiddenRows);
    const teacherLogits = teacher?.logits(row);
    const { gradient, tokens } = addObjective(graph, objective, {
      studentLogits: project(graph, states, output),
      ...(teacherLogits && { teacherLogits }),
      token: row,
    });
    const rows = new Map([...tokens, [hiddenRows, matmul(graph, gradient, output)]]);
    if (frozenOutput) return { rows, sums: [] };
    const own = matmul(graph, gradient, states, { transposeLeft: true });
    outputGradient = outputGradient === undefined ? own : add(graph, outputGradient, own);
    return { rows, sums: [outputGradient] };
  });
  const seeds: Seed[] = [];
  for (const [name, value] of results)
    if (name === hiddenRows) seeds.push({ value: hidden, gradient: value });
    else graph.output(name, value);
  if (outputGradient !== undefined) seeds.push({ value: output, gradient: outputGradient });
  return seeds;
}

const hiddenRows = 'hidden';

/** The teacher's hidden states, and its logits from their rows and its own output projection. Shape [N, V]. */
function declareTeacher(graph: Graph, { hiddenSize, vocabularySize }: ModelConfig, trustRegionRate?: number) {
  const declare = (hidden: string, output: string) => {
    const states = graph.input(hidden, 'float32', ['N', hiddenSize]);
    const projection = graph.input(output, 'float32', [vocabularySize, hiddenSize]);
    const logits = (row: (name: string) => Value) => project(graph, row(hidden), projection);
    return { rows: [[hidden, states]] as const, logits };
  };
  const own = declare(teacherInputs.hidden, teacherInputs.output);
  if (trustRegionRate === undefined) return own;
  const live = declare(teacherInputs.liveHidden, teacherInputs.liveOutput);
  return {
    rows: [...own.rows, ...live.rows],
    logits: (row: (name: string) => Value) =>
      add(
        graph,
        scale(graph, own.logits(row), 1 - trustRegionRate),
        scale(graph, live.logits(row), trustRegionRate),
      ),
  };
}
