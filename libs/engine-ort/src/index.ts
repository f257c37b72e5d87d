/** An Engine over onnxruntime-node. */
export type { EngineLogger, OrtEngineOptions } from './engine-options.js';
export type { AdapterOptions } from './training/adapter-options.js';
export { loadOrtEngine } from './load-engine.js';
export { loadOrtEngineThread } from './thread/load-engine-thread.js';
export { evaluateObjective, type ObjectiveEvaluation } from './objective/evaluate.js';
