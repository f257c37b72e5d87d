/**
 * Writes one seed's quickstart tasks, one JSON object a line:
 * `write-tasks --seed 11 --out tasks.jsonl [--prefix quick-] [--reward-tests public|hidden|all]`.
 */

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { quickstartTasks } from './tasks.js';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    out: { type: 'string' },
    prefix: { type: 'string', default: '' },
    'reward-tests': { type: 'string' },
  },
});
const seed = Number(values.seed);
if (values.seed === undefined || !Number.isSafeInteger(seed)) throw new Error('--seed takes an integer');
if (values.out === undefined) throw new Error('--out takes the path of the file to write');
const rewardTests = (['public', 'hidden', 'all'] as const).find((tests) => tests === values['reward-tests']);
if (values['reward-tests'] !== undefined && rewardTests === undefined)
  throw new Error('--reward-tests takes public, hidden or all');
const options = { prefix: values.prefix, ...(rewardTests === undefined ? {} : { rewardTests }) };
const lines = quickstartTasks(seed, options).map((row) => `${JSON.stringify(row)}\n`);
writeFileSync(values.out, lines.join(''));
