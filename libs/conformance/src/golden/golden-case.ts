/** Golden cases: mini-batches with the loss and gradient that a reference implementation computed for them in float64. */

import { readFileSync } from 'node:fs';
import {
  type Aggregation,
  logSoftmax,
  type Objective,
  type ScoredToken,
  type Support,
} from '@backsight/sdpo';
import { openObject, readArray, readBoolean, readNullable, readNumber, readOneOf } from './json.js';

/** One mini-batch under one objective. */
export interface GoldenCase {
  /** Says what is special about it. */
  readonly name: string;
  readonly objective: Objective;
  readonly vocabularySize: number;
  /** Shape [B, T]. */
  readonly completions: readonly GoldenCompletion[];
  readonly loss: number;
}

/** A row of the mini-batch, padded to its width. */
export interface GoldenCompletion {
  readonly advantage: number;
  /** Shape [T]. */
  readonly tokens: readonly GoldenToken[];
}

/** One position of a row. */
export interface GoldenToken {
  readonly scored: ScoredToken;
  /** Whether it carries a loss; otherwise it is padding, or its completion is masked. */
  readonly counts: boolean;
  /** The gradient of the loss by the student's logits here. Shape [V]. */
  readonly gradient: readonly number[];
}

/** Reads the golden cases that lie beside this package. */
export function loadGoldenCases(): readonly GoldenCase[] {
  const file = new URL('../../golden/sdpo-losses.json', import.meta.url);
  return parseGoldenCases(readFileSync(file, 'utf8'));
}

/** Parses golden cases, or throws a TypeError that names the place in the document. */
export function parseGoldenCases(json: string): readonly GoldenCase[] {
  const document: unknown = JSON.parse(json);
  const field = openObject(document, '');
  const [rows, width, vocabularySize] = [
    field('B', readNumber),
    field('T', readNumber),
    field('V', readNumber),
  ];
  const readRow = readArray(readNumber, width);
  const readGrid = readArray(readRow, rows);
  const readCube = readArray(readArray(readArray(readNumber, vocabularySize), width), rows);
  const [mask, ids] = [field('responseMask', readGrid), field('sampledIds', readGrid)];
  const [noise, weights] = [field('oldLogprobNoise', readGrid), field('rolloutWeights', readGrid)];
  const teacherLogits = field('teacherLogits', readCube);
  const tokens = field('studentLogits', readCube).map((row, b) =>
    row.map((studentLogits, t) => {
      const id = cell(ids, b, t);
      const oldLogprob = at(logSoftmax(studentLogits), id) + cell(noise, b, t);
      return {
        id,
        studentLogits,
        teacherLogits: at(at(teacherLogits, b), t),
        oldLogprob,
        // The weight is exp(old - sampled).
        sampledLogprob: oldLogprob - Math.log(cell(weights, b, t)),
      };
    }),
  );
  const readCase = (value: unknown, place: string): GoldenCase => {
    const of = openObject(value, place);
    const kind = of('kind', readOneOf('sdpo', 'grpo'));
    const gradients = of('gradStudentLogits', readCube);
    const sampleMask =
      kind === 'sdpo' ? of('sampleMask', readNullable(readArray(readNumber, rows))) : undefined;
    const advantages = kind === 'grpo' ? of('advantages', readArray(readNumber, rows)) : undefined;
    const objective = kind === 'sdpo' ? readDistillation(of) : readPolicyGradient(of);
    return {
      name: `${place} ${nameOf(objective)}${sampleMask === undefined ? '' : `, samples ${sampleMask.join('')}`}`,
      objective,
      vocabularySize,
      loss: of('loss', readNumber),
      completions: tokens.map((row, b) => ({
        advantage: advantages === undefined ? 0 : at(advantages, b),
        tokens: row.map((scored, t) => ({
          scored,
          counts: cell(mask, b, t) === 1 && (sampleMask === undefined || at(sampleMask, b) === 1),
          gradient: at(at(gradients, b), t),
        })),
      })),
    };
  };
  return field('cases', readArray(readCase));
}

type Fields = ReturnType<typeof openObject>;

function readDistillation(of: Fields): Objective {
  const importanceCap = of('isClip', readNullable(readNumber));
  return {
    ...readSettings(of),
    distillation: {
      weight: 1,
      alpha: of('alpha', readNumber),
      support: readSupport(of),
      granularity: of('variant', readOneOf('logit', 'sampled-token')),
      ...(importanceCap === undefined ? {} : { importanceCap }),
    },
  };
}

function readPolicyGradient(of: Fields): Objective {
  const [clipLow, clipHigh] = [of('clipLow', readNumber), of('clipHigh', readNumber)];
  return {
    ...readSettings(of),
    policyGradient: { weight: 1, clipLow, clipHigh, dualClip: of('dualClip', readNumber) },
  };
}

function readSupport(of: Fields): Support {
  const k = of('topK', readNullable(readNumber));
  if (k === undefined) return { kind: 'full' };
  return { kind: of('tail', readBoolean) ? 'top-k-tail' : 'top-k-renormalised', k };
}

function readSettings(of: Fields): Pick<Objective, 'aggregation' | 'rolloutImportanceCap' | 'temperature'> {
  const weighted = of('useRolloutWeights', readBoolean);
  const aggregation = of('aggregation', readOneOf('token-mean', 'seq-mean-token-mean', 'seq-mean-token-sum'));
  return {
    aggregation: aggregations[aggregation],
    temperature: 1,
    // The document's weights are capped already; none reaches 2.
    ...(weighted ? { rolloutImportanceCap: 2 } : {}),
  };
}

const aggregations = {
  'token-mean': 'token-mean',
  'seq-mean-token-mean': 'sequence-mean-token-mean',
  'seq-mean-token-sum': 'sequence-mean-token-sum',
} as const satisfies Record<string, Aggregation>;

function nameOf({ distillation, aggregation, rolloutImportanceCap }: Objective): string {
  const term =
    distillation === undefined
      ? 'policy gradient'
      : `${distillation.granularity} ${distillation.support.kind} alpha ${distillation.alpha}`;
  return `${term}, ${aggregation}${rolloutImportanceCap === undefined ? '' : ', rollout weights'}`;
}

function cell(grid: readonly (readonly number[])[], b: number, t: number): number {
  return at(at(grid, b), t);
}

function at<T>(items: readonly T[], index: number): T {
  const item = items[index];
  if (item === undefined) throw new TypeError(`index ${index} is outside an array of ${items.length}`);
  return item;
}
