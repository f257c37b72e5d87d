/** `npm run verify:judge`: published solutions, their mutants, and LiveCodeBench's rules; exit code 1 on any disagreement. */
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { endWithReader } from '@backsight/rpc';
import { Command } from 'commander';
import { findPython } from '../sandbox/find-python.js';
import { findToolchains } from '../sandbox/find-toolchains.js';
import { openSlotSandbox } from '../sandbox/slot-sandbox.js';
import { readSolvedTasks } from './solved-tasks.js';
import { verifyRules } from './verify-rules.js';
import { verifySolutions } from './verify-solutions.js';

new Command('verify:judge')
  .description("Published solutions accepted, their mutants rejected, and LiveCodeBench's rules agreed with.")
  .parse();
endWithReader();

const print = (line: string): boolean => process.stdout.write(`${line}\n`);
const fixture = (name: string): string => resolve(import.meta.dirname, '../../fixtures', name);
const ruleCases = 20_000;

const { signal } = new AbortController();
const sandbox = await openSlotSandbox({
  slots: availableParallelism() + 1,
  isolation: 'zygote',
  toolchains: await findToolchains(['python'], undefined),
  onComplaint: print,
});
let right = true;
try {
  for (const name of ['humaneval', 'mbpp']) {
    const report = await verifySolutions(sandbox, await readSolvedTasks(fixture(`${name}.jsonl`)), signal);
    print(
      `${name}: ${report.accepted}/${report.tasks} solutions accepted, ` +
        `${report.twinsRejected}/${report.tasks} with a mutant rejected (${report.atFirst} at the first)`,
    );
    for (const line of report.refused) print(`  not accepted: ${line}`);
    for (const line of report.unnoticed) print(`  no mutant rejected: ${line}`);
    right &&= report.refused.length + report.unnoticed.length === 0;
  }
} finally {
  await sandbox.close();
}
const { path } = await findPython(undefined);
const rules = await verifyRules(path, fixture('live_code_bench_oracle.py'), ruleCases, 0);
print(
  `livecodebench rules: ${rules.agreed}/${rules.cases} agree with the oracle (${rules.accepted} accepted)`,
);
for (const each of rules.disagreements.slice(0, 10)) print(`  ${JSON.stringify(each)}`);
right &&= rules.disagreements.length === 0;
process.exitCode = right ? 0 : 1;
