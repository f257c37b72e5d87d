/**
 * The reprompt: a task retold with hindsight. Its last message is the question, what was learnt since, and a closing line.
 *
 * The teacher reads it and re-scores the very tokens the student wrote. The failed attempt itself is not in it: seeing one's own
 * words makes one like them (arXiv 2601.20802, Tab. 6).
 */

import { type Hindsight } from './hindsight.js';
import { type Message, type Rollout } from './rollout.js';

/** The words around what is told. */
export interface Wording {
  /** Changes with the words, so that two runs can be told apart. */
  readonly version: string;
  readonly demonstrationHeader: string;
  readonly feedbackHeader: string;
  readonly closing: string;
  /** A line that stands where a text was cut. */
  readonly ellipsis: string;
}

/** Words that claim no more than is true. Results do not hang on them (arXiv 2601.20802, Sec. 2). */
export const neutralWording: Wording = {
  version: 'neutral-1',
  demonstrationHeader: 'Here is a solution that was verified as correct:',
  feedbackHeader: 'Feedback on an earlier, failed attempt of yours:',
  closing: 'Now answer the original question correctly.',
  ellipsis: '...',
};

/** Turns a conversation into token ids, the header of the answer included. The rollout says which tools were offered. */
export type RenderPrompt = (messages: readonly Message[], rollout: Rollout) => readonly number[];

/** A teacher's prompt that fits. */
export interface Reprompt {
  readonly messages: readonly Message[];
  /** Shape [P']. */
  readonly ids: readonly number[];
  /** Characters that each told text was cut to; absent when all was told. */
  readonly cutTo?: number;
}

/**
 * The conversation with its last message retold: question, demonstration, feedback, closing line. All other messages stay.
 *
 * Joined by plain concatenation: questions hold braces and dollar signs.
 */
export function retell(
  messages: readonly Message[],
  { demonstration, feedback }: Hindsight,
  wording: Wording,
): readonly Message[] {
  const content = [
    messages.at(-1)?.content ?? '',
    demonstration === undefined ? '' : `\n${wording.demonstrationHeader}\n\n${demonstration.text}`,
    feedback === undefined ? '' : `\n${wording.feedbackHeader}\n\n${feedback}`,
    `\n\n${wording.closing}`,
  ].join('');
  return [...messages.slice(0, -1), { role: 'user', content }];
}

/**
 * The reprompt of a rollout in at most `maxTokens` tokens; undefined when not even one character of hindsight has room.
 *
 * What is too long is told shorter: demonstration and feedback lose their ends, the longer one first. The rendered prompt is
 * never cut, for its end is the closing line and the header of the answer.
 */
export function reprompt(
  rollout: Rollout,
  hindsight: Hindsight,
  wording: Wording,
  render: RenderPrompt,
  maxTokens: number,
): Reprompt | undefined {
  const tell = (told: Hindsight): Reprompt => {
    const messages = retell(rollout.promptMessages, told, wording);
    return { messages, ids: render(messages, rollout) };
  };
  const fits = ({ ids }: Reprompt) => ids.length <= maxTokens;
  const whole = tell(hindsight);
  if (fits(whole)) return whole;

  // Bisection: `best` is told in `kept` characters and fits, `tooMany` characters do not.
  let best: Reprompt | undefined;
  let kept = 0;
  let tooMany = longest(hindsight);
  while (tooMany - kept > 1) {
    const characters = Math.floor((kept + tooMany) / 2);
    const attempt = tell(shorten(hindsight, characters, wording));
    if (fits(attempt)) {
      best = { ...attempt, cutTo: characters };
      kept = characters;
    } else tooMany = characters;
  }
  return best;
}

/** Both texts cut to at most so many characters each, an ellipsis line in place of the rest. */
function shorten({ demonstration, feedback }: Hindsight, characters: number, wording: Wording): Hindsight {
  const cut = (text: string) =>
    text.length <= characters ? text : `${prefix(text, characters)}\n${wording.ellipsis}`;
  return {
    ...(demonstration === undefined
      ? {}
      : { demonstration: { ...demonstration, text: cut(demonstration.text) } }),
    ...(feedback === undefined ? {} : { feedback: cut(feedback) }),
  };
}

/** The first characters of a text, never half of a surrogate pair. */
function prefix(text: string, characters: number): string {
  const splitsPair = (text.codePointAt(characters - 1) ?? 0) > 0xffff;
  return text.slice(0, splitsPair ? characters - 1 : characters);
}

function longest({ demonstration, feedback }: Hindsight): number {
  return Math.max(demonstration?.text.length ?? 0, feedback?.length ?? 0);
}
