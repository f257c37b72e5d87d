/** The science environment as a library, for those who grade without a server. */
export type { Option, ScienceTask } from './science-task.js';
export { judge, scienceEnvironment, type ScienceSettings } from './science.js';
export { readTaskFiles } from './task-file.js';
