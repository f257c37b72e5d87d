/**
 * `engine-side.js WORKLOAD MODEL THREADS quick|full [PROFILES]`: runs one workload of the engine each time a line comes on stdin.
 *
 * Given a folder for profiles, it leaves there what every node took.
 */
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import type { TrainPlan } from '@backsight/engine';
import { loadOrtEngine } from '../load-engine.js';
import { makeWorkload, workloadSizes } from './workload.js';

const [name = '', modelFolder = '', threads = '', size, profileFolder] = process.argv.slice(2);
const never = new AbortController().signal;
const workload = makeWorkload(workloadSizes[size === 'quick' ? 'quick' : 'full']);
const engine = await loadOrtEngine({
  modelFolder,
  // Never made, as nothing is saved: a bench that is killed leaves nothing behind.
  checkpointFolder: join(modelFolder, 'checkpoints'),
  threads: Number(threads),
  generationSlots: workload.completions.length,
  microBatchTokens: 4096,
  ...(profileFolder !== undefined && { profileFolder }),
});
answer({ ready: engine.info.version });
for await (const _ of createInterface({ input: process.stdin })) {
  const [begin, cpu] = [performance.now(), process.cpuUsage()];
  await run();
  const seconds = (performance.now() - begin) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const peakBytes = process.resourceUsage().maxRSS * 1024;
  answer({ seconds, cpuSeconds: (user + system) / 1e6, peakBytes });
}
await engine.close();

async function run(): Promise<void> {
  const { prompts, groupSize, completionTokens, completions } = workload;
  switch (name) {
    case 'generate': {
      const sampling = { temperature: 1, topP: 1, maxTokens: completionTokens, seed: 1, stopIds: [] };
      let written = 0;
      for await (const { tokenIds } of engine.generate({ prompts, groupSize, sampling }, never))
        written += tokenIds.length;
      if (written !== completions.length * completionTokens)
        throw new Error(`${written} tokens were written.`);
      return;
    }
    case 'score': {
      const items = completions.map((completionIds, i) => ({
        promptIds: workload.studentPrompts[i] ?? [],
        completionIds,
      }));
      await engine.score({ items, weights: 'student', temperature: 1, topK: 0 }, never);
      return;
    }
    case 'train':
      await train();
      return;
    default:
      throw new Error(`There is no workload "${name}".`);
  }
}

async function train(): Promise<void> {
  const plan: TrainPlan = {
    expectedVersion: engine.version,
    objective: {
      distillation: {
        weight: 1,
        alpha: 0.5,
        support: { kind: 'top-k-tail', k: workload.topK },
        granularity: 'logit',
        importanceCap: 2,
      },
      aggregation: 'token-mean',
      temperature: 1,
    },
    teacher: { kind: 'ema', rate: 0.05, cadence: 'batch' },
    optimizer: {
      learningRate: 1e-5,
      beta1: 0.9,
      beta2: 0.999,
      epsilon: 1e-8,
      weightDecay: 0.01,
      maxGradientNorm: 1,
    },
    miniBatches: 1,
    shuffleSeed: 1,
  };
  const examples = workload.completions.map((completionIds, i) => ({
    studentPromptIds: workload.studentPrompts[i] ?? [],
    teacherPromptIds: workload.teacherPrompts[i] ?? [],
    completionIds,
    completionLogprobs: workload.oldLogprobs[i] ?? [],
    advantage: 0,
    distillationWeight: 1,
    policyGradientWeight: 1,
    likelihoodWeight: 1,
    rolloutId: String(i),
  }));
  const { steps } = await engine.trainStep(plan, examples, never);
  if (steps.some(({ skipped }) => skipped)) throw new Error('The step was skipped.');
}

function answer(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}
