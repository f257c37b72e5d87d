/** The policy's promise: token ids in, token ids out (protos/backsight/policy/v1). */
export * from './gen/backsight/policy/v1/policy.js';
