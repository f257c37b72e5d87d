/**
 * One step: its tasks are played and sampled, their outcomes become examples, the policy trains on them, and the record is
 * appended. A step that a crash cut short goes on from what the journal has of it.
 */
import { warningsOf } from '@backsight/sdpo';
import { crewFigures, stalenessFigures } from './crew-figures.js';
import { makeExamples, type StepLesson } from './examples.js';
import { type OpenRun, versionOf, warning } from './open-run.js';
import { figuresOf } from './step-figures.js';
import { train } from './train.js';
import type { Transaction } from './transaction.js';

export async function takeStep(run: OpenRun, step: number): Promise<void> {
  const startedAt = performance.now();
  const played = await run.ahead.take(step);
  const { renderer, policyCard } = run.players;
  const lesson = makeExamples(played.rollouts, run.recipe, renderer, policyCard.contextWindow);
  const solved = run.recipe.stopWhenSolved && played.rollouts.some(({ outcome }) => outcome.solved);
  const transaction = await announce(run, step, lesson, solved ? 0 : run.recipe.miniBatches);
  if (!solved) playAhead(run, step);

  const trainedFrom = performance.now();
  const taken = transaction.expectedVersion > transaction.startVersion;
  const report = taken ? await train(run, transaction, lesson) : undefined;
  const figures = {
    ...figuresOf(run.recipe, step, { played, lesson, report, startedAt, trainedFrom }),
    ...stalenessFigures(played.rollouts, run.transactions),
    ...crewFigures(run.players.crew?.report(), played.sampled),
  };

  run.history.push(figures);
  await run.store.journal.finishStep(run.runId, {
    step,
    policyVersion: transaction.expectedVersion,
    metrics: figures,
    rollouts: played.rollouts.length,
    events: [...newAlarms(run), ...(taken || solved ? [] : [nothingToLearn(step)])],
  });
  run.transactions.push(transaction);
  run.logger.info({ step, version: transaction.expectedVersion }, 'step finished');
}

/** Writes down what is about to happen, before it does: after a crash the policy's version tells whether it did. */
async function announce(
  run: OpenRun,
  step: number,
  lesson: StepLesson,
  mostMiniBatches: number,
): Promise<Transaction> {
  const startVersion = await versionOf(run);
  // Each mini-batch is an optimizer step and needs at least one example.
  const miniBatches = Math.min(mostMiniBatches, lesson.examples.length);
  const transaction = { step, startVersion, expectedVersion: startVersion + miniBatches };
  await run.store.journal.beginStep(run.runId, transaction, lesson.lessons);
  return transaction;
}

function playAhead({ ahead, recipe }: OpenRun, step: number): void {
  const last = Math.min(step + recipe.maxStaleness, recipe.steps);
  for (let later = step + 1; later <= last; later += 1) ahead.begin(later);
}

/** Alarms that did not already sound after the step before. */
function newAlarms({ history }: OpenRun) {
  const sounding = new Set(warningsOf(history.slice(0, -1)).map(({ code }) => code));
  return warningsOf(history)
    .filter(({ code }) => !sounding.has(code))
    .map(({ code, message }) => warning(code, message));
}

const nothingToLearn = (step: number) =>
  warning(
    'no-examples',
    `Step ${step} had nothing to train on: no completion was taught or none had a token.`,
  );
