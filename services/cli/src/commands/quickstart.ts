/** `backsight quickstart` */
import type { Command } from 'commander';
import { quickstart } from '../quickstart/quickstart.js';
import { printJson, screenFor, type Context } from './context.js';
import { integer } from './options.js';

interface Flags {
  readonly seed: number;
  readonly seeds: number;
  readonly steps?: number;
  readonly port: number;
  readonly threads?: number;
  readonly sandbox?: string;
  readonly runs: string;
  readonly json: boolean;
}

export function addQuickstart(program: Command, context: Context): void {
  program
    .command('quickstart')
    .description('train the tiny policy by SDPO and by GRPO from the same start, and compare them')
    .option('--seeds <n>', 'number of seeds; more than one prints mean and spread', integer(1, 100), 1)
    .option('--seed <s>', 'the first seed', integer(0, 1e6), 11)
    .option('--steps <n>', 'training steps of each run (default: as the recipes say)', integer(1, 10_000))
    .option(
      '--port <p>',
      "the coordinator's port; policy and judge take the next two",
      integer(1024, 65_000),
      7100,
    )
    .option('--threads <n>', 'threads of the policy (default: all cores)', integer(1, 256))
    .option(
      '--sandbox <kind>',
      'auto, zygote, bubblewrap, docker, kubernetes, or none, which runs programs unprotected',
    )
    .option('--runs <folder>', 'where the run is recorded', 'runs')
    .option('--json', 'print the results as JSON, nothing else', false)
    .action(async (flags: Flags) => {
      const results = await quickstart(
        {
          seeds: Array.from({ length: flags.seeds }, (_, index) => flags.seed + index),
          steps: flags.steps,
          port: flags.port,
          threads: flags.threads,
          sandbox: flags.sandbox,
          runsFolder: flags.runs,
        },
        screenFor(context, flags.json),
        context.signal,
        context.environment,
      );
      if (flags.json) printJson(context, results);
    });
}
