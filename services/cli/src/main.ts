#!/usr/bin/env node
/** `backsight`: one command for people; each subcommand is a file in commands/. */
import { describeError, endByHangUp, whenReaderLeaves } from '@backsight/rpc';
import { Command, Help, type Option } from 'commander';
import { addCheckpoints, addRestore } from './commands/checkpoints.js';
import { addConformance } from './commands/conformance.js';
import type { Context } from './commands/context.js';
import { addDiscover } from './commands/discover.js';
import { addEval } from './commands/eval.js';
import { addExport } from './commands/export.js';
import { addFork } from './commands/fork.js';
import { addModels } from './commands/models.js';
import { addProbe } from './commands/probe.js';
import { addQuickstart } from './commands/quickstart.js';
import { addCurves } from './commands/curves.js';
import { addChanges, addRuns } from './commands/runs.js';
import { addTrain, addWatch } from './commands/train.js';
import { addUp } from './commands/up.js';
import { inCommands, UserError } from './user-error.js';

/** Exit code after Ctrl-C. */
const INTERRUPTED = 130;
/** Why a command is stopped whose reader has left. */
const READER_LEFT = 'reader left';

const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.once(name, () => {
    stop.abort(name);
  });
}
// When a terminal's window is closed, both its shell and the kernel say so: the second is no hurry.
process.on('SIGHUP', (name) => {
  stop.abort(name);
});
// Whoever reads may leave before the end, as `head` does: that ends a command like Ctrl-C, without a word.
whenReaderLeaves(() => {
  stop.abort(READER_LEFT);
});

const context: Context = { output: process.stdout, signal: stop.signal, environment: process.env };
const program = new Command('backsight')
  .description('Post-train language models by self-distillation from feedback (SDPO).')
  .version('0.1.0')
  .showHelpAfterError('(add --help for the options)')
  .configureHelp({ optionDescription: describeOption });
for (const add of [
  addQuickstart,
  addUp,
  addTrain,
  addWatch,
  addFork,
  addRuns,
  addCurves,
  addChanges,
  addEval,
  addProbe,
  addDiscover,
  addCheckpoints,
  addRestore,
  addExport,
  addConformance,
  addModels,
])
  add(program, context);

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}
if (stop.signal.reason === 'SIGHUP') endByHangUp();

/** Says nothing of a default that is nothing. */
function describeOption(option: Option): string {
  const given: unknown = option.defaultValue;
  const isNothing = given === false || given === '' || (Array.isArray(given) && given.length === 0);
  return isNothing ? option.description : new Help().optionDescription(option);
}

/** Prints why a command ended and returns its exit code. */
function report(error: unknown): number {
  const exitCode = error instanceof UserError ? error.exitCode : 1;
  if (!stop.signal.aborted || exitCode === INTERRUPTED) {
    process.stderr.write(`${inCommands(describeError(error))}\n`);
    return exitCode;
  }
  if (stop.signal.reason !== READER_LEFT) process.stderr.write('stopped\n');
  return INTERRUPTED;
}
