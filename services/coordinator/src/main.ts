/** The coordinator as a process. */
import { runRoom } from '@backsight/rpc';
import { readConfig, settings } from './config.js';
import { startCoordinator } from './start.js';

await runRoom({
  name: 'coordinator',
  about: 'CoordinatorService: runs from recipes, and their store.',
  settings,
  environment: process.env,
  config: readConfig,
  start: startCoordinator,
});
