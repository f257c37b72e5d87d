import { join } from 'node:path';
import {
  CheckpointError,
  CheckpointStore,
  EngineInputError,
  loadModelFolder,
  type Engine,
  type FieldViolation,
  type ModelConfig,
} from '@backsight/engine';
import { numberProblems } from '@backsight/sdpo';
import type { OrtEngineOptions } from './engine-options.js';
import { requireProvider } from './execution-provider.js';
import { OrtEngine } from './ort-engine.js';
import { adapterOf, adapterViolations } from './training/adapter-options.js';

/**
 * Loads a model folder into an engine over ONNX Runtime.
 *
 * Throws `CheckpointError` for the folder, `EngineInputError` for an option out of range and `UnsupportedError` for a
 * provider that is not there.
 */
export async function loadOrtEngine(options: OrtEngineOptions): Promise<Engine> {
  const violations = optionViolations(options);
  if (violations.length > 0) throw new EngineInputError(violations);
  await requireProvider(options.executionProvider ?? 'cpu');
  const begin = performance.now();
  const loaded = await loadModelFolder(options.modelFolder, (config) => {
    requireHeads(config, options.modelFolder);
  });
  const store = new CheckpointStore(options.checkpointFolder);
  const adapter = options.adapter && (await adapterOf(options.adapter, loaded.config));
  const engine = new OrtEngine(loaded, store, options, adapter);
  options.logger?.info(
    {
      model: loaded.name,
      parameters: engine.card.parameterCount,
      threads: options.threads,
      seconds: (performance.now() - begin) / 1000,
    },
    'model loaded',
  );
  return engine;
}

function optionViolations(options: OrtEngineOptions): readonly FieldViolation[] {
  const numbers = (['threads', 'generationSlots', 'microBatchTokens'] as const)
    .flatMap((field) => numberProblems(field, options[field], { atLeast: 1, whole: true }))
    .map(({ field, problem }) => ({ field, description: problem }));
  return options.adapter === undefined ? numbers : [...numbers, ...adapterViolations(options.adapter)];
}

/** ONNX Runtime's GroupQueryAttention turns heads of these lengths only. */
function requireHeads({ headDim }: ModelConfig, modelFolder: string): void {
  if (headDim % headMultiple === 0) return;
  throw new CheckpointError({
    reason: 'invalid',
    file: join(modelFolder, 'config.json'),
    problem: `head_dim: ${headDim} is not a multiple of ${headMultiple}, which this engine needs`,
  });
}

const headMultiple = 16;
