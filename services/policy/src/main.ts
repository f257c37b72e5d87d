#!/usr/bin/env node
/** The policy as a process; `--follow host:port` stands for BACKSIGHT_POLICY_FOLLOW. */
import { parseArgs } from 'node:util';
import { readModelTexts } from '@backsight/engine';
import { loadOrtEngineThread } from '@backsight/engine-ort';
import { runRoom } from '@backsight/rpc';
import { adapterOf } from './adapter.js';
import { readConfig } from './config.js';
import { startPolicy } from './policy.js';

await runRoom({
  name: 'policy',
  config: () => {
    const { follow } = parseArgs({ options: { follow: { type: 'string' } } }).values;
    return readConfig({ ...process.env, ...(follow !== undefined && { BACKSIGHT_POLICY_FOLLOW: follow }) });
  },
  start: async (config, { logger }) => {
    const { model, checkpoints, keepLast, keepBest } = config;
    const texts = await readModelTexts(model);
    const adapter = adapterOf(config);
    const engine = await loadOrtEngineThread({
      ...config,
      modelFolder: model,
      checkpointFolder: checkpoints,
      ...(adapter && { adapter }),
      retention: {
        ...(keepLast !== undefined && { last: keepLast }),
        ...(keepBest !== undefined && { best: keepBest }),
      },
      logger,
    });
    return startPolicy(config, engine, texts, logger);
  },
});
