/** SDPO as pure functions. */
export * from './aggregation.js';
export * from './divergence.js';
export * from './importance.js';
export * from './log-space.js';
export * from './loss.js';
export * from './objective.js';
export * from './support.js';
export * from './token-loss.js';
