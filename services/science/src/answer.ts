/** Reads which option an answer chooses, and whether it says so in the form that was asked for. */

/**
 * What an answer must look like. `tags`: reasoning in free text and one letter between answer tags, as the published
 * rows ask for. `letter`: one letter and nothing else, for policies too small to reason to any purpose.
 */
export const answerForms = ['tags', 'letter'] as const;

/** One of the two. */
export type AnswerForm = (typeof answerForms)[number];

/** What is wrong with the form of an answer, the first thing that is; `valid`: nothing, and its letter is offered. */
export type FormFault =
  'valid' | 'no-tag' | 'unopened' | 'unclosed' | 'several-tags' | 'empty' | 'text' | 'not-offered';

/** What an answer chooses. */
export interface Choice {
  readonly form: FormFault;
  /** What is held against the right letter; see `readChoice`. */
  readonly text: string;
}

const opening = '<answer>';
const closing = '</answer>';

/**
 * The choice is what stands after the last opening tag, up to the closing tag that follows it, without surrounding
 * white space; without an opening tag the answer from its beginning, without a closing tag the answer to its end. So
 * does the published reference, for which a bare letter is an answer, too. Where a letter was asked for it is the whole answer.
 */
export function readChoice(answer: string, letters: readonly string[], asked: AnswerForm): Choice {
  if (asked === 'letter') {
    const text = answer.trim();
    return { form: faultOf(text, letters), text };
  }
  const openings = answer.split(opening).length - 1;
  const inside = openings === 0 ? answer : answer.slice(answer.lastIndexOf(opening) + opening.length);
  const end = inside.indexOf(closing);
  const text = (end < 0 ? inside : inside.slice(0, end)).trim();
  return { form: formOf(text, { openings, closed: end >= 0, letters }), text };
}

function formOf(
  text: string,
  found: { readonly openings: number; readonly closed: boolean; readonly letters: readonly string[] },
): FormFault {
  if (found.openings === 0) return found.closed ? 'unopened' : 'no-tag';
  if (!found.closed) return 'unclosed';
  if (found.openings > 1) return 'several-tags';
  return faultOf(text, found.letters);
}

function faultOf(text: string, letters: readonly string[]): FormFault {
  if (text === '') return 'empty';
  if (!/^[A-Z]$/.test(text)) return 'text';
  return letters.includes(text) ? 'valid' : 'not-offered';
}
