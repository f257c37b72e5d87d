/** `backsight conformance` */
import {
  float32Tolerance,
  judgeEnvironment,
  judgePolicy,
  type SuiteReport,
} from '@backsight/conformance/suites';
import type { Command } from 'commander';
import { checkLine, closingLine, failuresOf } from '../progress/check-lines.js';
import { UserError } from '../user-error.js';
import { printJson, type Context } from './context.js';
import { decimal } from './options.js';

interface Flags {
  readonly policy?: string;
  readonly environment?: string;
  readonly only: string;
  readonly tolerance: number;
  readonly lossTolerance: number;
  readonly json: boolean;
}

export function addConformance(program: Command, context: Context): void {
  program
    .command('conformance')
    .description(
      'judge any policy or environment by its address: does it keep its contract? A policy is trained and then put back, so nobody else should use it meanwhile',
    )
    .option('--policy <address>', 'address of a policy')
    .option('--environment <address>', 'address of an environment')
    .option('--only <name>', 'checks whose names begin so, for example generate', '')
    .option(
      '--tolerance <nats>',
      'how far two logprobs of the same token may be apart; bfloat16 needs about 0.1',
      decimal(0, 10),
      float32Tolerance.logprob,
    )
    .option(
      '--loss-tolerance <x>',
      'how far a loss may be from the specification; bfloat16 needs about 0.01',
      decimal(0, 10),
      float32Tolerance.loss,
    )
    .option('--json', 'print the results as JSON', false)
    .action(async (flags: Flags) => {
      const reports = await judgeAll(flags, context);
      if (flags.json) printJson(context, reports);
      const failures = reports.flatMap(failuresOf);
      if (failures.length > 0) throw new UserError(failures.join('\n'));
    });
}

async function judgeAll(flags: Flags, context: Context): Promise<readonly SuiteReport[]> {
  const { policy, environment, only, json } = flags;
  if (policy === undefined && environment === undefined)
    throw new UserError('There is nothing to judge: name a room with --policy or --environment.');
  const { signal } = context;
  const say = (line: string): void => {
    if (!json) context.output.write(`${line}\n`);
  };
  const options = {
    only,
    signal,
    onResult: (result: SuiteReport['results'][number]) => {
      say(checkLine(result));
    },
  };
  const reports: SuiteReport[] = [];
  const tolerance = { logprob: flags.tolerance, loss: flags.lossTolerance };
  if (policy !== undefined) reports.push(await judgePolicy(policy, { ...options, tolerance }));
  if (environment !== undefined) reports.push(await judgeEnvironment(environment, options));
  const judged = reports.filter(({ results }) => results.length > 0);
  if (judged.length === 0) throw new UserError(`No check begins with "${only}".`);
  for (const report of judged) say(closingLine(report));
  return judged;
}
