import { describe, expect, it } from '@jest/globals';
import { hindsightProblems } from './hindsight.js';
import { learningRateProblems } from './learning-rate.js';
import { objectiveProblems } from './objective.js';
import { presets } from './preset.js';

describe('presets', () => {
  it.each(Object.entries(presets))('holds sound settings for %s', (_, preset) => {
    expect(objectiveProblems(preset.objective)).toEqual([]);
    expect(learningRateProblems(preset.optimizer)).toEqual([]);
    expect(preset.hindsight === undefined ? [] : hindsightProblems(preset.hindsight)).toEqual([]);
  });
  it.each(Object.entries(presets))('has a teacher and hindsight exactly if %s distils', (_, preset) => {
    const distils = preset.objective.distillation !== undefined;
    expect([preset.teacher !== undefined, preset.hindsight !== undefined]).toEqual([distils, distils]);
  });
  it('agrees with the published table (arXiv 2601.20802, Tab. 12 and 13)', () => {
    const rows = Object.entries(presets).map(([name, preset]) => {
      const { distillation } = preset.objective;
      const k = distillation?.support.kind === 'top-k-tail' ? distillation.support.k : undefined;
      const { learningRate, warmupSteps } = preset.optimizer;
      const { tasksPerStep, groupSize, miniBatches } = preset;
      return [
        name,
        distillation?.alpha,
        k,
        preset.teacher?.rate,
        learningRate,
        warmupSteps,
        tasksPerStep,
        groupSize,
        miniBatches,
      ];
    });
    expect(rows).toEqual([
      ['sdpo-scalar-feedback', 0.5, 100, 0.05, 1e-5, 10, 32, 8, 1],
      ['sdpo-rich-feedback', 1, 20, 0.01, 1e-6, 0, 32, 8, 32],
      ['sdpo-test-time', 1, 20, 0.01, 1e-6, 0, 1, 16, 1],
      ['grpo', undefined, undefined, undefined, 1e-6, 10, 32, 8, 4],
    ]);
  });
});
