/** `npm run verify:golden`: holds the specification and the engine to the golden cases. Exits with 1 if any fails. */
import { endWithReader } from '@backsight/rpc';
import { Command } from 'commander';
import { loadGoldenCases } from './golden/golden-case.js';
import { summaryOf, verifyGolden } from './golden/verify.js';

new Command('verify:golden')
  .description('The specification and the embedded engine, held to the golden losses and gradients.')
  .parse();
endWithReader();

const verdict = await verifyGolden(loadGoldenCases());
const failures = [...verdict.spec.failures, ...verdict.engine.failures];
process.stderr.write(failures.map((failure) => `${failure}\n`).join(''));
process.stdout.write(`${summaryOf(verdict)}\n`);
process.exitCode = failures.length > 0 || verdict.cases === 0 ? 1 : 0;
