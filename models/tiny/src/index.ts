/** The tiny policy's world and tasks. */
export { quickstartAnswers, quickstartTasks } from './tasks.js';
export type { TaskRow, TaskSplit, TaskTest } from './tasks.js';
