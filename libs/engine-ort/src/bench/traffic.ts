import { drawUniform, type Engine, type TrainPlan } from '@backsight/engine';

/** Random traffic for an engine. */
export interface SoakOptions {
  readonly engine: Engine;
  readonly minutes: number;
  readonly seed: number;
  /** Ends the traffic after the wave that it is in. */
  readonly signal: AbortSignal;
  readonly print: (line: string) => void;
}

/** What a soak saw. */
export interface SoakResult {
  readonly requests: number;
  readonly cancelled: number;
  /** Resident memory in the last tenth by that after the first quarter, less one: medians. */
  readonly growth: number;
}

/**
 * Sends waves of overlapping requests of random shape (generate, most of them cancelled at a random moment; score; train),
 * and after each wave asks for as many completions as there are slots: a slot that was lost would leave that unanswered.
 *
 * Throws when a request fails by anything but its own cancellation, and the signal's reason once it is aborted.
 */
export async function soak({ engine, minutes, seed, signal, print }: SoakOptions): Promise<SoakResult> {
  const begin = Date.now();
  const end = begin + minutes * 60_000;
  const memory: number[] = [];
  let [requests, cancelled, wave, reported] = [0, 0, 0, begin];
  for (; Date.now() < end || wave < leastWaves; wave++) {
    signal.throwIfAborted();
    const random = (kind: number, below: number) => Math.floor(drawUniform(seed, wave, kind, 0) * below);
    const traffic = Array.from({ length: 8 }, (_, i) => generate(engine, seed, wave, i));
    traffic.push(scoreSome(engine, 1 + random(100, 4)));
    if (wave % 4 === 0) traffic.push(train(engine, 1 + random(101, 4)));
    const outcomes = await Promise.all(traffic);
    requests += outcomes.length;
    cancelled += outcomes.filter((outcome) => outcome === 'cancelled').length;
    await fillSlots(engine, wave);
    memory.push(process.memoryUsage.rss());
    if (Date.now() - reported > 10_000) {
      reported = Date.now();
      const gigabytes = (memory.at(-1) ?? 0) / 1e9;
      print(
        `${((reported - begin) / 60_000).toFixed(1)} min: ${requests} requests, ${cancelled} cancelled, ${gigabytes.toFixed(3)} GB`,
      );
    }
  }
  const quarter = Math.floor(memory.length / 4);
  const tenth = Math.max(1, Math.floor(memory.length / 10));
  const growth = median(memory.slice(-tenth)) / median(memory.slice(quarter, quarter + tenth)) - 1;
  return { requests, cancelled, growth };
}

type Outcome = 'answered' | 'cancelled';

/** A request of random shape that is left at a random moment three times out of four. */
async function generate(engine: Engine, seed: number, wave: number, index: number): Promise<Outcome> {
  const random = (kind: number, below: number) =>
    Math.floor(drawUniform(seed, wave, index, 1 + kind) * below);
  const { vocabularySize, contextWindow } = engine.card;
  const longest = Math.min(contextWindow - 1, 96);
  const prompts = Array.from({ length: 1 + random(0, 3) }, (_, p) =>
    Array.from({ length: 1 + random(1 + p, longest - 1) }, (_, i) => (7 * i + p) % vocabularySize),
  );
  const controller = new AbortController();
  const patience = random(10, 4) === 0 ? undefined : random(11, 40);
  const timer =
    patience === undefined
      ? undefined
      : setTimeout(() => {
          controller.abort();
        }, patience);
  const sampling = {
    temperature: 1,
    topP: 0.5 + random(12, 6) / 10,
    maxTokens: 1 + random(13, 48),
    seed: wave,
    stopIds: [],
  };
  try {
    for await (const _ of engine.generate(
      { prompts, groupSize: 1 + random(14, 6), sampling },
      controller.signal,
    ));
    return 'answered';
  } catch (error) {
    if (controller.signal.aborted) return 'cancelled';
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

async function scoreSome(engine: Engine, count: number): Promise<Outcome> {
  const items = Array.from({ length: count }, (_, i) => ({
    promptIds: row(5 + i),
    completionIds: row(3 + 7 * i),
  }));
  await engine.score(
    { items, weights: 'teacher', temperature: 1, topK: count },
    new AbortController().signal,
  );
  return 'answered';
}

async function train(engine: Engine, count: number): Promise<Outcome> {
  const plan: TrainPlan = {
    expectedVersion: engine.version,
    objective: {
      distillation: { weight: 1, alpha: 0.5, support: { kind: 'top-k-tail', k: 4 }, granularity: 'logit' },
      aggregation: 'token-mean',
      temperature: 1,
    },
    teacher: { kind: 'ema', rate: 0.05, cadence: 'batch' },
    optimizer: {
      learningRate: 1e-6,
      beta1: 0.9,
      beta2: 0.999,
      epsilon: 1e-8,
      weightDecay: 0,
      maxGradientNorm: 1,
    },
    miniBatches: 1,
    shuffleSeed: 1,
  };
  const examples = Array.from({ length: count }, (_, i) => ({
    studentPromptIds: row(4 + i),
    teacherPromptIds: row(8 + 3 * i),
    completionIds: row(2 + 5 * i),
    completionLogprobs: [],
    advantage: 0,
    distillationWeight: 1,
    policyGradientWeight: 1,
    likelihoodWeight: 1,
    rolloutId: String(i),
  }));
  await engine.trainStep(plan, examples, new AbortController().signal);
  return 'answered';
}

/** Asks for one completion per slot, and counts the answers. */
async function fillSlots(engine: Engine, seed: number): Promise<void> {
  const groupSize = engine.info.generationSlots;
  const sampling = { temperature: 1, topP: 1, maxTokens: 2, seed, stopIds: [] };
  let answers = 0;
  for await (const _ of engine.generate(
    { prompts: [row(3)], groupSize, sampling },
    new AbortController().signal,
  ))
    answers += 1;
  if (answers !== groupSize) throw new Error(`${groupSize} slots gave ${answers} completions.`);
}

/** Some ids of a length. */
function row(length: number): readonly number[] {
  return Array.from({ length }, (_, i) => 3 + (i % 7));
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/** Enough for a first quarter and a last tenth. */
const leastWaves = 20;
