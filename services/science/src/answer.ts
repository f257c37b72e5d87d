/** Reads which option an answer chooses, and whether it says so in the form that was asked for. */

/**
 * The form of an answer: `valid` is one `<answer>` and its `</answer>`, with the letter of an offered option alone
 * between them. The others name what is wrong, the first that is.
 */
export const forms = [
  'valid',
  'no-tag',
  'unopened',
  'unclosed',
  'several-tags',
  'empty',
  'text',
  'not-offered',
] as const;

/** One of them. */
export type Form = (typeof forms)[number];

/** What an answer chooses. */
export interface Choice {
  readonly form: Form;
  /** What is held against the right letter; see `readChoice`. */
  readonly text: string;
}

const opening = '<answer>';
const closing = '</answer>';

/**
 * The choice is what stands after the last opening tag, up to the closing tag that follows it, without surrounding
 * white space; without an opening tag the answer from its beginning, without a closing tag the answer to its end. So
 * does the published reference, for which a bare letter is an answer, too.
 */
export function readChoice(answer: string, letters: readonly string[]): Choice {
  const openings = answer.split(opening).length - 1;
  const inside = openings === 0 ? answer : answer.slice(answer.lastIndexOf(opening) + opening.length);
  const end = inside.indexOf(closing);
  const text = (end < 0 ? inside : inside.slice(0, end)).trim();
  return { form: formOf(text, { openings, closed: end >= 0, letters }), text };
}

function formOf(
  text: string,
  found: { readonly openings: number; readonly closed: boolean; readonly letters: readonly string[] },
): Form {
  if (found.openings === 0) return found.closed ? 'unopened' : 'no-tag';
  if (!found.closed) return 'unclosed';
  if (found.openings > 1) return 'several-tags';
  if (text === '') return 'empty';
  if (!/^[A-Z]$/.test(text)) return 'text';
  return found.letters.includes(text) ? 'valid' : 'not-offered';
}
