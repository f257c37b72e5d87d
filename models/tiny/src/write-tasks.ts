/** Writes one seed's quickstart tasks, one JSON object a line. */

import { writeFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import { wholeNumber } from './options.js';
import { quickstartTasks } from './tasks.js';

interface Flags {
  readonly seed: number;
  readonly out: string;
  readonly prefix: string;
  readonly rewardTests?: 'public' | 'hidden' | 'all';
}

const { seed, out, ...options } = new Command('write-tasks')
  .description("Writes one seed's quickstart tasks as rows of the coding environment.")
  .requiredOption('--seed <n>', 'draws the hidden meanings', wholeNumber(0, Number.MAX_SAFE_INTEGER))
  .requiredOption('--out <file>', 'the file to write')
  .option('--prefix <text>', 'stands before every task id', '')
  .addOption(
    new Option(
      '--reward-tests <which>',
      "which tests decide the reward, in place of the splits' own",
    ).choices(['public', 'hidden', 'all']),
  )
  .showHelpAfterError('(add --help for the options)')
  .parse()
  .opts<Flags>();

const lines = quickstartTasks(seed, options).map((row) => `${JSON.stringify(row)}\n`);
writeFileSync(out, lines.join(''));
