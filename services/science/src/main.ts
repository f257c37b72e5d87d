#!/usr/bin/env node
/** The science environment as a process. */
import { EnvironmentServiceDefinition } from '@backsight/contract/environment';
import { environmentService } from '@backsight/environment';
import { runRoom, serve, service } from '@backsight/rpc';
import { readConfig, settings } from './config.js';
import { scienceEnvironment } from './science.js';
import { readTaskFiles } from './task-file.js';
import { readWorkedExamples, withWorkedExamples } from './worked-examples.js';

await runRoom({
  name: 'science',
  about: 'EnvironmentService of multiple-choice questions in the sciences.',
  settings,
  environment: process.env,
  config: readConfig,
  start: async (config, { logger }) => {
    const examples = await readWorkedExamples(config.examples, config.form);
    const read = await readTaskFiles(config.tasks, config.form);
    const tasks = read.map((task) => withWorkedExamples(task, examples));
    logger.info({ tasks: tasks.length, files: config.tasks, examples: examples.length }, 'tasks read');
    const environment = environmentService(scienceEnvironment(tasks, config), { logger });
    const services = [service(EnvironmentServiceDefinition, environment)];
    return serve({ ...config, name: 'science', services, logger });
  },
});
