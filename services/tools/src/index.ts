/** The tool-use environment as a library, for those who grade without a server. */
export { readTaskFiles } from './task-file.js';
export type { ToolTask } from './tool-task.js';
export { judge, toolsEnvironment, type ToolsSettings } from './tools.js';
