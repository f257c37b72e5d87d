/** `npm run bench:judge`: sandboxes beside bare python3; exit code 1 when a promise was broken. */
import { availableParallelism } from 'node:os';
import { createLogger, endWithReader } from '@backsight/rpc';
import { Command, InvalidArgumentError, Option } from 'commander';
import { readConfig } from '../config.js';
import { isolatingKinds, opener, type SandboxKind, sandboxKinds } from '../sandbox/open-sandbox.js';
import { sandboxOptions } from '../start-judge.js';
import { bench } from './bench.js';

interface Flags {
  readonly seconds: number;
  readonly slots: number;
  readonly sandbox: readonly SandboxKind[];
  readonly kills: number;
  readonly soak: number;
}

const { sandbox, ...rest } = new Command('bench:judge')
  .description(
    'Submissions per second, beside python3 processes without a sandbox, in turns; and time to kill. ' +
      'It reads the same settings as the judge.',
  )
  .option('--seconds <n>', 'how long each workload runs on either side', count, 6)
  .option('--slots <n>', 'programs side by side', count, availableParallelism() + 1)
  .addOption(
    new Option(
      '--sandbox <kinds...>',
      'what is measured (default: docker where a daemon is named, and the others)',
    )
      .choices(sandboxKinds)
      .default([], 'what there is'),
  )
  .option('--kills <n>', 'programs killed to time it', count, 50)
  .option('--soak <n>', 'submissions to go through, one in twenty an attack', count, 0)
  .showHelpAfterError('(add -- --help for the options)')
  .parse()
  .opts<Flags>();
endWithReader();
const config = readConfig(process.env);
const options = { ...sandboxOptions(config, createLogger({ name: 'bench', level: 'warn' })), ...rest };
const kept = await bench({
  ...rest,
  python: config.python,
  sandboxes:
    sandbox.length > 0 ? sandbox : [...(options.docker.named ? ['docker' as const] : []), ...isolatingKinds],
  open: opener({ ...options, languages: ['python'] }),
  daemon: options.docker.socket,
  print: (line) => process.stdout.write(`${line}\n`),
});
process.exitCode = kept ? 0 : 1;

function count(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new InvalidArgumentError(`"${text}" is not a whole number.`);
}
