/** `npm run soak:engine -- [--minutes 60] [--model FOLDER] [--threads 2] [--seed 1]`: random traffic; exit code 1 when a promise breaks. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadOrtEngine } from '../load-engine.js';
import { soak } from './traffic.js';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    model: { type: 'string', default: join(import.meta.dirname, '../../../../models/tiny/weights') },
    threads: { type: 'string', default: '2' },
    seed: { type: 'string', default: '1' },
  },
});
const print = (line: string) => process.stdout.write(`${line}\n`);
const checkpointFolder = await mkdtemp(join(tmpdir(), 'soak-engine-'));
try {
  const engine = await loadOrtEngine({
    modelFolder: values.model,
    checkpointFolder,
    threads: Number(values.threads),
    generationSlots: 8,
    microBatchTokens: 1024,
  });
  const { requests, cancelled, growth } = await soak({
    engine,
    minutes: Number(values.minutes),
    seed: Number(values.seed),
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
