import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  EngineInputError,
  VersionMismatchError,
  type Engine,
  type TeacherSettings,
  type TrainExample,
  type TrainPlan,
} from '@backsight/engine';
import { collect, examplesOf, fingerprint, never, plan, TestEngines } from '../test-engine.js';

let engines: TestEngines;
let examples: readonly TrainExample[];
beforeAll(async () => {
  engines = await TestEngines.create();
  examples = examplesOf(await collect(await engines.load()));
});
afterEach(() => engines.closeAll());
afterAll(() => engines.remove());

const policyGradient: TrainPlan['objective'] = {
  policyGradient: { weight: 1, clipLow: 0.2, clipHigh: 0.28, dualClip: 3 },
  aggregation: 'token-mean',
  temperature: 1,
};

describe('trainStep', () => {
  it('takes the steps of the plan and counts them in the version', async () => {
    const engine = await engines.load();
    const before = await fingerprint(engine);
    const report = await engine.trainStep(plan, examples, never);
    expect(report.version).toBe(2);
    expect(engine.version).toBe(2);
    expect(report.steps).toHaveLength(2);
    expect(report.steps.map((step) => step.examples)).toEqual([6, 6]);
    const taught = examples.filter(({ teacherPromptIds }) => teacherPromptIds.length > 0);
    expect(report.steps[0]!.lossTokens + report.steps[1]!.lossTokens).toBe(
      taught.reduce((sum, { completionIds }) => sum + completionIds.length, 0),
    );
    expect(await fingerprint(engine)).not.toEqual(before);
  });

  it('pulls the student towards the teacher', async () => {
    const engine = await engines.load();
    const losses: number[] = [];
    for (let step = 0; step < 12; step++) {
      const report = await engine.trainStep(
        {
          ...plan,
          expectedVersion: step,
          miniBatches: 1,
          teacher: { kind: 'frozen', rate: 0, cadence: 'hold' },
          objective: {
            ...plan.objective,
            distillation: { ...plan.objective.distillation!, importanceCap: 1e9 },
          },
        },
        examples.map((example) => ({ ...example, completionLogprobs: example.completionLogprobs })),
        never,
      );
      losses.push(report.metrics['self_distillation/teacher_student_log_ratio_mean']!);
    }
    expect(Math.abs(losses.at(-1)!)).toBeLessThan(0.5 * Math.abs(losses[0]!));
  });

  it('makes a good completion likelier and a bad one less so by policy gradient', async () => {
    const engine = await engines.load();
    const [good, bad] = [examples[2]!, examples[0]!];
    const logprobs = async () => {
      const items = [good, bad].map(({ studentPromptIds, completionIds }) => ({
        promptIds: studentPromptIds,
        completionIds,
      }));
      const scores = await engine.score({ items, weights: 'student', temperature: 1, topK: 0 }, never);
      return scores.map((score) => score.logprobs.reduce((a, b) => a + b, 0));
    };
    const before = await logprobs();
    await engine.trainStep(
      { ...plan, objective: policyGradient, miniBatches: 1 },
      [
        { ...good, advantage: 1 },
        { ...bad, advantage: -1 },
      ],
      never,
    );
    const after = await logprobs();
    expect(after[0]!).toBeGreaterThan(before[0]!);
    expect(after[1]!).toBeLessThan(before[1]!);
  });

  it('learns a completion by likelihood', async () => {
    const engine = await engines.load();
    const objective: TrainPlan['objective'] = {
      likelihood: { weight: 1 },
      aggregation: 'token-mean',
      temperature: 1,
    };
    let loss = Infinity;
    for (let step = 0; step < 60; step++) {
      const report = await engine.trainStep(
        { ...plan, objective, expectedVersion: step, miniBatches: 1 },
        examples.slice(0, 2).map((example) => ({ ...example, completionLogprobs: [] })),
        never,
      );
      loss = report.steps[0]!.likelihoodLoss;
    }
    expect(loss).toBeLessThan(0.1);
  });

  it('gives the same bits again in as many threads', async () => {
    const train = async (threads: number) => {
      const engine = await engines.load({ threads, microBatchTokens: 32 });
      const reports = [
        await engine.trainStep(plan, examples, never),
        await engine.trainStep({ ...plan, expectedVersion: 2, objective: policyGradient }, examples, never),
      ];
      return {
        steps: reports.flatMap(({ steps }) => steps),
        student: await fingerprint(engine),
        teacher: await fingerprint(engine, 'teacher'),
      };
    };
    const first = await train(2);
    expect(await train(2)).toEqual(first);
  });

  it('computes the same steps whatever the micro-batches', async () => {
    const norms = async (microBatchTokens: number) =>
      (await (await engines.load({ microBatchTokens })).trainStep(plan, examples, never)).steps.map(
        ({ gradientNorm }) => gradientNorm,
      );
    const [large, small] = [await norms(1024), await norms(8)];
    large.forEach((norm, i) => {
      expect(small[i]).toBeCloseTo(norm, 5);
    });
  });

  it('compares logprobs as sampled and as recomputed while the weights are those that sampled', async () => {
    const { metrics } = await (await engines.load()).trainStep(plan, examples, never);
    expect(metrics['sampling/logprob_abs_diff_max']).toBeLessThan(1e-4);
    expect(metrics['actor/entropy']).toBeGreaterThan(0);
    expect(metrics['actor/entropy']).toBeLessThan(Math.log(31));
  });

  it('weighs by the capped ratio of recomputed and sampled logprobs', async () => {
    const engine = await engines.load();
    const objective = { ...plan.objective, rolloutImportanceCap: 2 };
    // Sampled at a quarter of the probability the policy gives now: the ratio is 4, capped at 2.
    const rare = examples.map((example) => ({
      ...example,
      completionLogprobs: example.completionLogprobs.map((logprob) => logprob - Math.log(4)),
    }));
    const learningRate = 0;
    const settings = { ...plan, miniBatches: 1, optimizer: { ...plan.optimizer, learningRate } };
    const plain = await engine.trainStep(
      { ...settings, objective: { ...objective, rolloutImportanceCap: 1 } },
      examples,
      never,
    );
    const weighted = await engine.trainStep({ ...settings, objective, expectedVersion: 1 }, rare, never);
    expect(weighted.steps[0]!.distillationLoss / plain.steps[0]!.distillationLoss).toBeCloseTo(2, 3);
    expect(weighted.metrics['rollout_corr/rollout_is_mean']).toBeCloseTo(2, 3);
  });

  it('takes a step of zero gradient when nothing contributes', async () => {
    const engine = await engines.load();
    const before = await fingerprint(engine);
    const report = await engine.trainStep(
      { ...plan, objective: policyGradient },
      examples.map((example) => ({ ...example, advantage: 0 })),
      never,
    );
    expect(report.steps.map(({ loss, gradientNorm }) => [loss, gradientNorm])).toEqual([
      [0, 0],
      [0, 0],
    ]);
    expect(report.version).toBe(2);
    expect(await fingerprint(engine)).toEqual(before);
  });

  it('leaves the weights when a gradient is not finite, and says so', async () => {
    const engine = await engines.load();
    const before = [await fingerprint(engine), await fingerprint(engine, 'teacher')];
    const report = await engine.trainStep(
      plan,
      examples.map((example) => ({ ...example, distillationWeight: 1e300 })),
      never,
    );
    expect(report.steps.map(({ skipped }) => skipped)).toEqual([true, true]);
    expect(report.metrics['actor/skipped_steps']).toBe(2);
    expect([await fingerprint(engine), await fingerprint(engine, 'teacher')]).toEqual(before);
  });

  it('refuses another version and keeps everything', async () => {
    const engine = await engines.load();
    const step = engine.trainStep({ ...plan, expectedVersion: 5 }, examples, never);
    await expect(step).rejects.toThrow(VersionMismatchError);
    await expect(step).rejects.toMatchObject({ expected: 5, actual: 0 });
    expect(engine.version).toBe(0);
  });

  it('leaves no trace when it is aborted between steps', async () => {
    const engine = await engines.load({ microBatchTokens: 16 });
    await engine.trainStep(plan, examples, never);
    const state = async () => ({
      version: engine.version,
      student: await fingerprint(engine),
      teacher: await fingerprint(engine, 'teacher'),
    });
    const before = await state();
    const controller = new AbortController();
    let tokens = 0;
    // Each micro-batch reads each example's advantage once; abort late in the second half of them.
    const watched = examples.map((example) => ({
      ...example,
      get distillationWeight() {
        tokens += 1;
        if (tokens > 60) controller.abort(new Error('enough'));
        return 1;
      },
    }));
    const aborted = engine.trainStep(
      { ...plan, expectedVersion: 2, miniBatches: 6, teacher: { kind: 'ema', rate: 0.5, cadence: 'step' } },
      watched,
      controller.signal,
    );
    await expect(aborted).rejects.toThrow('enough');
    expect(tokens).toBeGreaterThan(60);
    expect(await state()).toEqual(before);
    // The optimizer is as it was, too: the next step equals that of an engine that was never aborted.
    const undisturbed = await engines.load({ microBatchTokens: 16 });
    await undisturbed.trainStep(plan, examples, never);
    const next = { ...plan, expectedVersion: 2 };
    expect((await engine.trainStep(next, examples, never)).steps).toEqual(
      (await undisturbed.trainStep(next, examples, never)).steps,
    );
    expect(await state()).toMatchObject({ version: 4, student: await fingerprint(undisturbed) });
  });

  it('names the example and the field that is wrong', async () => {
    const engine = await engines.load();
    const [first, ...rest] = examples;
    const wrong = engine.trainStep(
      { ...plan, miniBatches: 0, optimizer: { ...plan.optimizer, epsilon: 0 } },
      [
        { ...first!, completionIds: [3, 31], advantage: Number.NaN },
        { ...rest[0]!, teacherPromptIds: Array(60).fill(3) },
      ],
      never,
    );
    await expect(wrong).rejects.toThrow(EngineInputError);
    await expect(wrong).rejects.toMatchObject({
      violations: [
        { field: 'plan.optimizer.epsilon' },
        { field: 'plan.mini_batches' },
        { field: 'examples[0].student_prompt_ids', description: '31 is not an id in [0, 31) (rollout 0/0)' },
        { field: 'examples[0].teacher_prompt_ids' },
        { field: 'examples[0].completion_logprobs' },
        { field: 'examples[0].advantage' },
        { field: 'examples[1].teacher_prompt_ids' },
      ],
    });
  });
});

describe('trainStep teachers', () => {
  const teach = (engine: Engine, teacher: TeacherSettings, from: number, given = examples) =>
    engine.trainStep({ ...plan, teacher, expectedVersion: from }, given, never);

  it('moves an EMA teacher once a batch, once a step, or not', async () => {
    const moved = async (cadence: TeacherSettings['cadence'], rate: number) => {
      const engine = await engines.load();
      await teach(engine, { kind: 'ema', rate, cadence }, 0);
      return { student: await fingerprint(engine), teacher: await fingerprint(engine, 'teacher') };
    };
    const initial = await fingerprint(await engines.load());
    const batch = await moved('batch', 1);
    expect(batch.teacher).toEqual(batch.student);
    const step = await moved('step', 1);
    expect(step.teacher).toEqual(step.student);
    // With a teacher that has moved after the first step, the second step differs.
    expect(step.student).not.toEqual(batch.student);
    expect((await moved('hold', 1)).teacher).toEqual(initial);
    expect((await moved('batch', 0)).teacher).toEqual(initial);
  });

  it('lets a live teacher agree with the student when both saw the same', async () => {
    const engine = await engines.load();
    const same = examples.map((example) => ({ ...example, teacherPromptIds: example.studentPromptIds }));
    const report = await teach(engine, { kind: 'live', rate: 0, cadence: 'hold' }, 0, same);
    expect(report.steps[0]!.distillationLoss).toBeLessThan(1e-6);
    // The second step has moved on from the teacher, which is the student at the start of the transaction.
    expect(report.metrics['self_distillation/teacher_student_log_ratio_mean']).not.toBe(0);
  });

  it('tells of the teacher by the examples that it teaches, and not by those whose distillation weighs nothing', async () => {
    const ratios = async (given: readonly TrainExample[]) => {
      const engine = await engines.load();
      const objective = { ...plan.objective, likelihood: { weight: 1 } };
      const { metrics } = await engine.trainStep({ ...plan, miniBatches: 1, objective }, given, never);
      return Object.entries(metrics).filter(([name]) => name.startsWith('self_distillation/teacher_student'));
    };
    const taught = examples.filter(({ teacherPromptIds }) => teacherPromptIds.length > 0);
    const [first, ...others] = taught;
    const weightless = others.map((example) => ({ ...example, distillationWeight: 0 }));
    const alone = await ratios([first!]);
    expect(alone).toHaveLength(2);
    expect(await ratios([first!, ...weightless])).toEqual(
      alone.map(([name, value]) => [name, expect.closeTo(value, 5)]),
    );
    expect(await ratios(taught)).not.toEqual(alone.map(([name, value]) => [name, expect.closeTo(value, 5)]));
  });

  it('mixes a trust region of the initial and the live weights', async () => {
    const losses = async (teacher: TeacherSettings) => {
      const engine = await engines.load();
      await teach(engine, { kind: 'frozen', rate: 0, cadence: 'hold' }, 0);
      return (await teach(engine, teacher, 2)).steps.map(({ distillationLoss }) => distillationLoss);
    };
    const region = (rate: number) => losses({ kind: 'trust-region', rate, cadence: 'hold' });
    const [frozen, live] = [
      await losses({ kind: 'frozen', rate: 0, cadence: 'hold' }),
      await losses({ kind: 'live', rate: 0, cadence: 'hold' }),
    ];
    const [none, half, whole] = [await region(0), await region(0.5), await region(1)];
    frozen.forEach((loss, i) => {
      expect(none[i]).toBeCloseTo(loss, 6);
      expect(whole[i]).toBeCloseTo(live[i]!, 6);
    });
    expect(half).not.toEqual(none);
  });
});
