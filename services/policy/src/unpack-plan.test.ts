import { describe, expect, it } from '@jest/globals';
import * as proto from '@backsight/contract/policy';
import { caughtViolations } from './caught-failure.js';
import { scriptedCard } from './scripted-engine.js';
import { plan, plannedForEngine } from './scripted-transaction.js';
import { unpackPlan } from './unpack-plan.js';

const unpack = (change: object) =>
  unpackPlan(proto.TrainPlan.fromPartial({ ...plan, ...change }), scriptedCard);

describe('unpackPlan', () => {
  it('takes the default of the contract for everything unset', () => {
    expect(unpack({ shuffleSeed: 8 })).toEqual({ ...plannedForEngine, shuffleSeed: 8 });
  });

  it('reads every setting', () => {
    const policyGradient = { weight: 0.5, clipLow: 0.2, clipHigh: 0.28, dualClip: 3 };
    const optimizer = {
      learningRate: 1,
      beta1: 0,
      beta2: 0.95,
      epsilon: 1e-6,
      weightDecay: 0.1,
      maxGradientNorm: 1,
    };
    const settings = {
      objective: {
        distillation: {
          weight: 1,
          alpha: 1,
          support: { kind: proto.SupportKind.FULL },
          granularity: proto.Granularity.SAMPLED_TOKEN,
          importanceCap: 2,
        },
        policyGradient,
        likelihood: { weight: 0.25 },
        aggregation: proto.Aggregation.SEQUENCE_MEAN_TOKEN_SUM,
        rolloutImportanceCap: 4,
        temperature: 0.5,
      },
      teacher: { kind: proto.TeacherKind.TRUST_REGION, rate: 0.25, cadence: proto.TeacherCadence.HOLD },
      optimizer,
      miniBatches: 4,
    };
    expect(unpack(settings)).toEqual({
      expectedVersion: 5,
      objective: {
        distillation: {
          weight: 1,
          alpha: 1,
          support: { kind: 'full' },
          granularity: 'sampled-token',
          importanceCap: 2,
        },
        policyGradient,
        likelihood: { weight: 0.25 },
        aggregation: 'sequence-mean-token-sum',
        rolloutImportanceCap: 4,
        temperature: 0.5,
      },
      teacher: { kind: 'trust-region', rate: 0.25, cadence: 'hold' },
      optimizer,
      miniBatches: 4,
      shuffleSeed: 0,
    });
  });

  it('needs no teacher without distillation, and then none moves', () => {
    const policyGradient = { weight: 1, clipLow: 0.2, clipHigh: 0.2 };
    const { teacher: absent } = unpack({ objective: { policyGradient }, teacher: undefined });
    expect(absent).toEqual({ kind: 'ema', rate: 0, cadence: 'hold' });
  });

  it.each<[string, object, string[]]>([
    ['no objective', { objective: undefined }, ['plan.objective: must be set']],
    ['no optimizer', { optimizer: undefined }, ['plan.optimizer: must be set']],
    ['a distillation without a teacher', { teacher: undefined }, ['plan.teacher: must be set']],
    ['a teacher of no kind', { teacher: {} }, ['plan.teacher.kind: must be set']],
    [
      'an objective with nothing to minimise',
      { objective: {}, teacher: undefined },
      ['plan.objective: must give distillation, policyGradient or likelihood a weight above 0, gives none'],
    ],
    [
      'a distillation without a support',
      { objective: { distillation: { weight: 1, alpha: 0.5 } } },
      ['plan.objective.distillation.support.kind: must be set'],
    ],
    [
      'every number out of range at once',
      {
        miniBatches: 0,
        objective: {
          distillation: {
            ...plan.objective.distillation,
            alpha: 1.5,
            support: { kind: proto.SupportKind.TOP_K_TAIL, k: 101 },
          },
          policyGradient: { weight: -1, clipLow: 2, clipHigh: -1, dualClip: 1 },
          rolloutImportanceCap: 0,
          temperature: 0,
        },
        teacher: { kind: proto.TeacherKind.EMA, rate: 2 },
        optimizer: { learningRate: NaN, beta1: 1, epsilon: 0, weightDecay: -1, maxGradientNorm: 0 },
      },
      [
        'plan.mini_batches: must be a number at least 1, is 0',
        'plan.objective.distillation.support.k: must be a number at most 100, is 101',
        'plan.objective.distillation.alpha: must be a number at least 0 and at most 1, is 1.5',
        'plan.objective.policy_gradient.weight: must be a number at least 0, is -1',
        'plan.objective.policy_gradient.clip_low: must be a number at least 0 and at most 1, is 2',
        'plan.objective.policy_gradient.clip_high: must be a number at least 0, is -1',
        'plan.objective.policy_gradient.dual_clip: must be a number above 1, is 1',
        'plan.objective.rollout_importance_cap: must be a number above 0, is 0',
        'plan.objective.temperature: must be a number above 0, is 0',
        'plan.teacher.rate: must be a number at least 0 and at most 1, is 2',
        'plan.optimizer.learning_rate: must be a number at least 0, is NaN',
        'plan.optimizer.beta1: must be a number in [0, 1), is 1',
        'plan.optimizer.epsilon: must be a number above 0, is 0',
        'plan.optimizer.weight_decay: must be a number at least 0, is -1',
        'plan.optimizer.max_gradient_norm: must be a number above 0, is 0',
      ],
    ],
  ])('refuses %s, naming every field', async (_, change, violations) => {
    expect(await caughtViolations(() => unpack(change))).toEqual(violations);
  });
});
