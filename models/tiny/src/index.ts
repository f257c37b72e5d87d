/** The tiny policy's world and tasks. */
export { quickstartAnswers, quickstartTasks } from './tasks.js';
export type { QuickstartTaskOptions, RewardTests, TaskRow, TaskSplit, TaskTest } from './tasks.js';
