/** `npm run soak:engine`: random traffic; exit code 1 when a promise breaks. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
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

const { minutes, model, threads, seed } = new Command('soak:engine')
  .description('Random requests, cancellations and training steps; fails if memory grows or a slot is lost.')
  .option('--minutes <n>', 'how long', wholeNumber, 60)
  .option('--model <folder>', 'a model folder', join(import.meta.dirname, '../../../../models/tiny/weights'))
  .option('--threads <n>', 'threads of the engine', wholeNumber, 2)
  .option('--seed <n>', 'draws the traffic', wholeNumber, 1)
  .showHelpAfterError('(add -- --help for the options)')
  .parse()
  .opts<Flags>();
const print = (line: string) => process.stdout.write(`${line}\n`);
const checkpointFolder = await mkdtemp(join(tmpdir(), 'soak-engine-'));
try {
  const engine = await loadOrtEngine({
    modelFolder: model,
    checkpointFolder,
    threads,
    generationSlots: 8,
    microBatchTokens: 1024,
  });
  const { requests, cancelled, growth } = await soak({
    engine,
    minutes,
    seed,
    print,
  });
  await engine.close();
  const flat = growth < 0.05;
  print(
    `soak: ${requests} requests, ${cancelled} cancelled, no slot lost, memory after warm-up ` +
      `${growth < 0 ? '' : '+'}${(100 * growth).toFixed(1)} %${flat ? '' : ': it grows'}`,
  );
  process.exitCode = flat ? 0 : 1;
} finally {
  await rm(checkpointFolder, { recursive: true });
}
