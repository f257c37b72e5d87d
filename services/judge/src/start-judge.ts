/** Builds the room: a sandbox, the judge over it, the coding environment over the judge, and serves them. */
import { EnvironmentServiceDefinition } from '@backsight/contract/environment';
import { type IsolationTier, JudgeServiceDefinition } from '@backsight/contract/judge';
import { environmentService } from '@backsight/environment';
import { createRegistry, type Logger, serve, service, type StartedRoom } from '@backsight/rpc';
import { codingEnvironment } from './coding/coding-environment.js';
import { readTasks } from './coding/read-tasks.js';
import type { CodingTask } from './coding/task.js';
import { tryTaskPrograms } from './coding/try-task-programs.js';
import type { JudgeConfig } from './config.js';
import { withStatuses } from './judge-failure.js';
import { judgeService } from './judge-service.js';
import { Judge } from './judging/judge.js';
import { judgeMetrics } from './judging/judge-metrics.js';
import { Queue } from './judging/queue.js';
import { VerdictCache } from './judging/verdict-cache.js';
import { daemonOf } from './sandbox/docker/settings.js';
import { usualStore } from './sandbox/go-library.js';
import { openSandbox, type OpenSandboxOptions } from './sandbox/open-sandbox.js';

/** Serves JudgeService and, where there are tasks, EnvironmentService on one address. */
export async function startJudge(config: JudgeConfig, logger: Logger): Promise<StartedRoom> {
  const sandbox = await openSandbox(sandboxOptions(config, logger));
  try {
    const tasks = config.tasks === undefined ? [] : await readTasks(config.tasks, sandbox.languages);
    await tryTaskPrograms(tasks, sandbox);
    const queue = new Queue(sandbox.capacity, config.maxQueued);
    const registry = createRegistry('judge');
    const leftovers = async (): Promise<number> => (await sandbox.leftovers?.())?.length ?? NaN;
    const metrics = judgeMetrics(registry, queue, leftovers);
    const judge = new Judge({
      sandbox,
      queue,
      cache: new VerdictCache(config.cacheEntries),
      metrics,
      logger,
    });
    const server = await serve({
      name: 'judge',
      address: config.address,
      metricsAddress: config.metricsAddress,
      maxConnectionAgeMs: config.maxConnectionAgeMs,
      registry,
      logger,
      services: [
        service(JudgeServiceDefinition, judgeService(judge)),
        ...(tasks.length === 0 ? [] : [codingService(config, tasks, judge, logger)]),
      ],
    });
    logger.info(
      {
        tier: tierName(sandbox.tier),
        slots: config.slots,
        languages: sandbox.languages.map(({ name }) => name),
        tasks: tasks.length,
      },
      'judge serves',
    );
    return {
      address: server.address,
      shutdown: async (graceMs) => {
        await server.shutdown(graceMs);
        await sandbox.close();
      },
    };
  } catch (error) {
    await sandbox.close();
    throw error;
  }
}

/** What the settings say of the sandbox. */
export function sandboxOptions(config: JudgeConfig, logger: Logger): OpenSandboxOptions {
  const { sandbox: choice, slots, python, languages, java, rust, go, searchPath } = config;
  const places = {
    set: { java, rust, go },
    folders: searchPath.split(':').filter((folder) => folder.startsWith('/')),
    store: config.store ?? usualStore(),
  };
  return { choice, slots, python, languages, places, docker: daemonOf(config), kubernetes: config, logger };
}

function codingService(config: JudgeConfig, tasks: readonly CodingTask[], judge: Judge, logger: Logger) {
  const { feedbackWrongAnswers, feedbackSelection, feedbackCharacters, maxTurns, maxEpisodes } = config;
  const environment = codingEnvironment({
    tasks,
    judge: withStatuses(judge),
    feedback: {
      maxWrongAnswers: feedbackWrongAnswers,
      selection: feedbackSelection,
      maxCharacters: feedbackCharacters,
    },
    maxTurns,
    capacity: maxEpisodes,
  });
  return service(EnvironmentServiceDefinition, environmentService(environment, { logger }));
}

function tierName(tier: IsolationTier): string {
  return tier.replace('ISOLATION_TIER_', '').toLowerCase();
}
