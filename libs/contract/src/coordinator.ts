/** The coordinator's promise: runs (protos/backsight/coordinator/v1). */
export * from './gen/backsight/coordinator/v1/coordinator.js';
