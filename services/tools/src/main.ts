#!/usr/bin/env node
/** The tool-use environment as a process. */
import { EnvironmentServiceDefinition } from '@backsight/contract/environment';
import { environmentService } from '@backsight/environment';
import { runRoom, serve, service } from '@backsight/rpc';
import { readConfig, settings } from './config.js';
import { readTaskFiles } from './task-file.js';
import { toolsEnvironment } from './tools.js';

await runRoom({
  name: 'tools',
  about: 'EnvironmentService of tool-use tasks.',
  settings,
  environment: process.env,
  config: readConfig,
  start: async (config, { logger }) => {
    const tasks = await readTaskFiles(config.tasks);
    logger.info({ tasks: tasks.length, files: config.tasks }, 'tasks read');
    const environment = environmentService(toolsEnvironment(tasks, config), { logger });
    const services = [service(EnvironmentServiceDefinition, environment)];
    return serve({ ...config, name: 'tools', services, logger });
  },
});
