#!/usr/bin/env node
/** The judge as a process. */
import { runRoom } from '@backsight/rpc';
import { readConfig } from './config.js';
import { startJudge } from './start-judge.js';

await runRoom({
  name: 'judge',
  config: () => readConfig(process.env, process.argv.slice(2)),
  start: (config, { logger }) => startJudge(config, logger),
});
