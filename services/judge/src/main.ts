#!/usr/bin/env node
/** The judge as a process. */
import { runRoom } from '@backsight/rpc';
import { readConfig, settings } from './config.js';
import { startJudge } from './start-judge.js';

await runRoom({
  name: 'judge',
  about: 'JudgeService, and with tasks the EnvironmentService of coding.',
  settings,
  flags: { sandbox: 'BACKSIGHT_SANDBOX' },
  environment: process.env,
  config: readConfig,
  start: (config, { logger }) => startJudge(config, logger),
});
