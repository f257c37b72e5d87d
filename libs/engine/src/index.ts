export {
  byteCharacters,
  byteLevel,
  byteLevelTokenizerJson,
  type ByteLevelBpe,
} from './byte-level-tokenizer.js';
export { AdamW, clipScale, globalNorm, type OptimizerOutcome } from './adamw.js';
export {
  CheckpointStore,
  checkpointNameViolation,
  initialCheckpoint,
  type PolicyState,
  type Retention,
} from './checkpoint-store.js';
export type { StatePart } from './checkpoint-manifest.js';
export { moveTowards } from './ema.js';
export type {
  CheckpointInfo,
  CompletionScore,
  Engine,
  EngineInfo,
  ExportLayout,
  GenerateRequest,
  ModelCard,
  OptimizerSettings,
  SampledCompletion,
  SampledToken,
  Sampling,
  ScoreRequest,
  StepReport,
  TeacherSettings,
  TokenLogprob,
  TrainExample,
  TrainPlan,
  TrainingAbilities,
  TrainReport,
  VersionedWeights,
} from './engine.js';
export {
  CheckpointError,
  EngineInputError,
  UnsupportedError,
  VersionMismatchError,
  type CheckpointErrorReason,
  type FieldViolation,
} from './errors.js';
export { largePages } from './large-pages.js';
export {
  layerSight,
  llamaArchitecture,
  type Architecture,
  type LayerSight,
  type ModelConfig,
  type ModelType,
  type Rope,
  type RopeScaling,
  type SlidingWindow,
} from './model-config.js';
export { modelConfigJson, parseModelConfig } from './model-config-json.js';
export { modelTensors } from './model-tensors.js';
export { lengthBucket, packMicroBatches, paddedLength, type MicroBatch } from './micro-batches.js';
export { changesNothing, freshAdapter, mergeAdapter, type Adapter } from './lora/adapter.js';
export {
  adaptedMatrices,
  adapterScale,
  adapterTable,
  adapterTargets,
  isAdapterTarget,
  type AdaptedMatrix,
  type AdapterSettings,
  type AdapterTarget,
} from './lora/adapter-settings.js';
export { loadPeftFolder, writePeftFolder } from './lora/peft-folder.js';
export { convertGguf } from './gguf/gguf-model.js';
export {
  checkModelFolder,
  checkModelTexts,
  loadModelFolder,
  writeModelFolder,
  type CheckedModel,
  type LoadedModel,
} from './model-folder.js';
export { modelTextFiles, readModelTexts, type ModelTexts } from './model-texts.js';
export { philox, seedKey, toUniform } from './philox.js';
export { randomWeights } from './random-weights.js';
export { SafetensorsFile, writeSafetensors, type WrittenFile } from './safetensors.js';
export type { SafetensorsHeader, TensorEntry } from './safetensors-header.js';
export {
  createSampler,
  drawFromBlock,
  drawUniform,
  type Draw,
  type DrawnBlock,
  type Sampler,
} from './sampling.js';
export { readWeightFiles } from './weight-files.js';
export { narrowToBfloat16, widenBfloat16 } from './half-floats.js';
export {
  bytesOf,
  elementCount,
  tableDifference,
  totalElements,
  WeightSet,
  type TensorTable,
  type TensorView,
} from './weights.js';
