/** `backsight eval` */
import type { CoordinatorServiceClient, EvaluationResult } from '@backsight/contract/coordinator';
import type { Command } from 'commander';
import { barUntilResult } from '../progress/bar.js';
import { printJson, type Context } from './context.js';
import { decimal, integer } from './options.js';
import { type CoordinatorFlags, coordinatorOption, withCoordinator } from './with-coordinator.js';

interface Flags extends CoordinatorFlags {
  readonly policy: string;
  readonly environment: string;
  readonly split: string;
  readonly samples: number;
  readonly temperature: number;
  readonly topP: number;
  readonly maxTokens: number;
  readonly seed: number;
  readonly json: boolean;
}

export function addEval(program: Command, context: Context): void {
  coordinatorOption(program.command('eval'))
    .description('sample a split without training and print the pass rate')
    .requiredOption('--split <name>', 'the split, for example held-out')
    .option('--policy <address>', 'address of the policy', '127.0.0.1:7101')
    .option('--environment <address>', 'address of the environment', '127.0.0.1:7102')
    .option('--samples <n>', 'samples per task', integer(1, 10_000), 4)
    .option('--temperature <t>', 'sampling temperature; 0 takes the most likely token', decimal(0, 100), 1)
    .option(
      '--top-p <p>',
      'keeps the smallest set of tokens that reaches this probability',
      decimal(1e-6, 1),
      1,
    )
    .option('--max-tokens <n>', 'longest completion', integer(1, 1_000_000), 256)
    .option('--seed <s>', 'makes the evaluation repeatable', integer(0, 2 ** 31), 0)
    .option('--json', 'print the result as JSON', false)
    .action(async (flags: Flags) => {
      const result = await withCoordinator(flags, (client) => evaluate(client, flags, context));
      if (flags.json) {
        printJson(context, result);
        return;
      }
      const samples = result.tasks.reduce((sum, task) => sum + task.samples, 0);
      context.output.write(
        `${flags.split}: pass@1 ${result.passRate.toFixed(3)}, reward ${result.reward.toFixed(3)}, ${result.tasks.length} tasks, ${samples} samples, policy version ${result.policyVersion}\n`,
      );
    });
}

function evaluate(
  client: CoordinatorServiceClient,
  flags: Flags,
  context: Context,
): Promise<EvaluationResult> {
  const request = {
    policyAddress: flags.policy,
    environmentAddress: flags.environment,
    split: flags.split,
    samplesPerTask: flags.samples,
    temperature: flags.temperature,
    topP: flags.topP,
    maxTokens: flags.maxTokens,
    seed: flags.seed,
  };
  const updates = client.evaluate(request, { signal: context.signal });
  return barUntilResult('evaluate', updates, context, flags.json);
}
