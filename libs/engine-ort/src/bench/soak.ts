/** `npm run soak:engine`: random traffic; exit code 1 when a promise breaks. */
import { join } from 'node:path';
import { Command } from 'commander';
import { loadOrtEngine } from '../load-engine.js';
import { soak } from './traffic.js';
import { wholeNumber } from './whole-number.js';

interface Flags {
  readonly minutes: number;
  readonly model: string;
  readonly threads: number;
  readonly seed: number;
}

/** Minutes before which the heap still finds its size, up and down by more than 5 %. */
const warmUp = 10;

const { minutes, model, threads, seed } = new Command('soak:engine')
  .description('Random requests, cancellations and training steps; fails if memory grows or a slot is lost.')
  .option('--minutes <n>', `how long; memory is judged from ${warmUp} on`, wholeNumber, 60)
  .option('--model <folder>', 'a model folder', join(import.meta.dirname, '../../../../models/tiny/weights'))
  .option('--threads <n>', 'threads of the engine', wholeNumber, 2)
  .option('--seed <n>', 'draws the traffic', wholeNumber, 1)
  .showHelpAfterError('(add -- --help for the options)')
  .parse()
  .opts<Flags>();
const print = (line: string) => process.stdout.write(`${line}\n`);
const leaving = new AbortController();
process.stdout.on('error', () => {
  leaving.abort(new Error('The soak was left: nobody reads what it prints.'));
});
try {
  const engine = await loadOrtEngine({
    modelFolder: model,
    // Never made, as nothing is saved.
    checkpointFolder: join(model, 'checkpoints'),
    threads,
    generationSlots: 8,
    microBatchTokens: 1024,
  });
  const { requests, cancelled, growth } = await soak({
    engine,
    minutes,
    seed,
    signal: leaving.signal,
    print,
  });
  await engine.close();
  const judged = minutes >= warmUp;
  const grows = judged && growth >= 0.05;
  const verdict = grows ? ': it grows' : judged ? '' : `, too early to judge before ${warmUp} minutes`;
  print(
    `soak: ${requests} requests, ${cancelled} cancelled, no slot lost, memory after warm-up ` +
      `${growth < 0 ? '' : '+'}${(100 * growth).toFixed(1)} %${verdict}`,
  );
  process.exitCode = grows ? 1 : 0;
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
