export { readConfig, type JudgeConfig } from './config.js';
export { startJudge } from './start-judge.js';
