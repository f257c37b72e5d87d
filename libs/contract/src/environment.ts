/** The environment's promise: tasks, observations, actions, outcomes (protos/backsight/environment/v1). */
export * from './gen/backsight/environment/v1/environment.js';
