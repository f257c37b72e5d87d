#!/usr/bin/env node
/** The policy as a process. */
import { readModelTexts } from '@backsight/engine';
import { loadOrtEngineThread } from '@backsight/engine-ort';
import { runRoom } from '@backsight/rpc';
import { adapterOf } from './adapter.js';
import { readConfig, settings } from './config.js';
import { startPolicy } from './policy.js';

await runRoom({
  name: 'policy',
  about: 'PolicyService: samples, scores and trains one model on onnxruntime.',
  settings,
  flags: { follow: 'BACKSIGHT_POLICY_FOLLOW' },
  environment: process.env,
  config: readConfig,
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
