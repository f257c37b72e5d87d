/** The judge's promise: programs against tests (protos/backsight/judge/v1). */
export * from './gen/backsight/judge/v1/judge.js';
