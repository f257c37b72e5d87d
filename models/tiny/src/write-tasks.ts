/** `write-tasks --seed 11 --out tasks.jsonl [--prefix quick-]`: writes one seed's quickstart tasks, one JSON object a line. */

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { quickstartTasks } from './tasks.js';

const { values } = parseArgs({
  options: { seed: { type: 'string' }, out: { type: 'string' }, prefix: { type: 'string', default: '' } },
});
const seed = Number(values.seed);
if (values.seed === undefined || !Number.isSafeInteger(seed)) throw new Error('--seed takes an integer');
if (values.out === undefined) throw new Error('--out takes the path of the file to write');
const lines = quickstartTasks(seed, { prefix: values.prefix }).map((row) => `${JSON.stringify(row)}\n`);
writeFileSync(values.out, lines.join(''));
