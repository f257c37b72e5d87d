#!/usr/bin/env node
/** The science environment as a process. */
import { EnvironmentServiceDefinition } from '@backsight/contract/environment';
import { environmentService } from '@backsight/environment';
import { runRoom, serve, service } from '@backsight/rpc';
import { readConfig } from './config.js';
import { scienceEnvironment } from './science.js';
import { readTaskFiles } from './task-file.js';

await runRoom({
  name: 'science',
  config: () => readConfig(process.env),
  start: async (config, { logger }) => {
    const tasks = await readTaskFiles(config.tasks);
    logger.info({ tasks: tasks.length, files: config.tasks }, 'tasks read');
    const environment = environmentService(scienceEnvironment(tasks, config), { logger });
    const services = [service(EnvironmentServiceDefinition, environment)];
    return serve({ ...config, name: 'science', services, logger });
  },
});
