/** `pretrain:tiny [--out FOLDER] [--threads 2] [--steps N]`: makes the committed weights again. */

import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { makeWeights } from './make-weights.js';
import { tinyRecipe } from './pretrain.js';

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: fileURLToPath(new URL('../weights', import.meta.url)) },
    threads: { type: 'string', default: '2' },
    steps: { type: 'string', default: String(tinyRecipe.steps) },
  },
});

const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.once(name, () => {
    stop.abort(new Error(`stopped by ${name}; nothing was written`));
  });
}

await makeWeights({
  folder: values.out,
  recipe: { ...tinyRecipe, steps: positive('--steps', values.steps) },
  threads: positive('--threads', values.threads),
  skillDocuments: 512,
  reportEvery: 50,
  print: (line) => process.stdout.write(`${line}\n`),
  signal: stop.signal,
});

function positive(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new Error(`${option} takes a positive whole number, not "${text}"`);
  return value;
}
