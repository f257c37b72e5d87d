/** Checks an outcome as an environment returned it, and fills in its defaults. */
import {
  type Action,
  FeedbackVisibility,
  type Outcome as WireOutcome,
} from '@backsight/contract/environment';
import type { Outcome } from './environment.js';

/** The outcome to send. Throws when the environment broke its promise: that is a bug, never a reward of 0. */
export function completeOutcome(outcome: Outcome, lastAction: Action | undefined): WireOutcome {
  const { reward, feedback = [], details } = outcome;
  if (!(reward >= 0 && reward <= 1)) {
    throw new RangeError(`an outcome's reward must be in [0, 1], not ${reward}`);
  }
  const blank = feedback.findIndex(({ text }) => text.trim() === '');
  if (blank >= 0) throw new RangeError(`an outcome's feedback[${blank}].text must not be blank`);
  return {
    reward,
    solved: outcome.solved ?? reward === 1,
    feedback: feedback.map(({ kind, text, visibility = FeedbackVisibility.TEACHER }) => ({
      kind,
      text,
      visibility,
    })),
    truncated: outcome.truncated ?? lastAction?.truncated ?? false,
    details,
  };
}
