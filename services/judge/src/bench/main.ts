/** `npm run bench:judge`: the sandbox beside bare python3; exit code 1 when a promise was broken. */
import { availableParallelism } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import { bench } from './bench.js';

interface Flags {
  readonly seconds: number;
  readonly slots: number;
  readonly bubblewrap: boolean;
  readonly kills: number;
  readonly soak: number;
}

const { bubblewrap, ...rest } = new Command('bench:judge')
  .description(
    'Submissions per second, beside python3 processes without a sandbox, in turns; and time to kill.',
  )
  .option('--seconds <n>', 'how long each workload runs on either side', count, 6)
  .option('--slots <n>', 'programs side by side', count, availableParallelism() + 1)
  .option('--bubblewrap', 'measure bubblewrap, too', false)
  .option('--kills <n>', 'programs killed to time it', count, 50)
  .option('--soak <n>', 'submissions to go through, one in twenty an attack', count, 0)
  .showHelpAfterError('(add -- --help for the options)')
  .parse()
  .opts<Flags>();
const kept = await bench({
  ...rest,
  sandboxes: bubblewrap ? ['zygote', 'bubblewrap'] : ['zygote'],
  print: (line) => process.stdout.write(`${line}\n`),
});
process.exitCode = kept ? 0 : 1;

function count(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new InvalidArgumentError(`"${text}" is not a whole number.`);
}
