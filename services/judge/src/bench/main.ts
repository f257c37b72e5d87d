/** `npm run bench:judge -- [--seconds 6] [--slots n] [--bubblewrap] [--kills 50] [--soak 10000]`; exit code 1 when a promise was broken. */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { bench } from './bench.js';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '6' },
    slots: { type: 'string', default: String(availableParallelism() + 1) },
    bubblewrap: { type: 'boolean', default: false },
    kills: { type: 'string', default: '50' },
    soak: { type: 'string', default: '0' },
  },
});
const kept = await bench({
  seconds: Number(values.seconds),
  slots: Number(values.slots),
  sandboxes: values.bubblewrap ? ['zygote', 'bubblewrap'] : ['zygote'],
  kills: Number(values.kills),
  soak: Number(values.soak),
  print: (line) => process.stdout.write(`${line}\n`),
});
process.exitCode = kept ? 0 : 1;
