/** The coordinator as a process. */
import { runRoom } from '@backsight/rpc';
import { readConfig } from './config.js';
import { startCoordinator } from './start.js';

await runRoom({
  name: 'coordinator',
  config: () => readConfig(process.env),
  start: startCoordinator,
});
