/** `npm run pretrain:tiny`: makes the committed weights again. */

import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { makeWeights } from './make-weights.js';
import { wholeNumber } from './options.js';
import { tinyRecipe } from './pretrain.js';

interface Flags {
  readonly out: string;
  readonly threads: number;
  readonly steps: number;
}

const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.once(name, () => {
    stop.abort(new Error(`stopped by ${name}; nothing was written`));
  });
}

const { out, threads, steps } = new Command('pretrain:tiny')
  .description('Pre-trains the tiny policy from its seed and writes its Hugging Face folder.')
  .option('--out <folder>', 'where to write', fileURLToPath(new URL('../weights', import.meta.url)))
  .option('--threads <n>', 'threads to compute with; each number rounds otherwise', wholeNumber(1, 256), 2)
  .option('--steps <n>', 'optimizer steps', wholeNumber(1, 1_000_000), tinyRecipe.steps)
  .showHelpAfterError('(add -- --help for the options)')
  .parse()
  .opts<Flags>();

try {
  await makeWeights({
    folder: out,
    recipe: { ...tinyRecipe, steps },
    threads,
    skillDocuments: 512,
    reportEvery: 50,
    print: (line) => process.stdout.write(`${line}\n`),
    signal: stop.signal,
  });
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = stop.signal.aborted ? 130 : 1;
}
