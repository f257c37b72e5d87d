/** Says in words what is wrong with an answer. */
import { type Feedback, FeedbackKind, FeedbackVisibility } from '@backsight/environment';
import type { WrittenCall } from './calls.js';
import type { ToolDocumentation } from './documentation.js';
import { type Grade, inputOf, unmatched } from './grade.js';
import { sameJson } from './same-json.js';

/**
 * What feedback may say. `hints` speaks of the answer's own words, of the documentation and of numbers, so that nothing
 * of the right answer is given away. `answer` also shows the right calls, as the published reference does.
 */
export const reveals = ['hints', 'answer'] as const;

/** One of the two. */
export type Reveal = (typeof reveals)[number];

/** Remarks on an answer that is not right; none on one that is. */
export function feedbackOn(
  grade: Grade,
  documentation: ReadonlyMap<string, ToolDocumentation>,
  reveal: Reveal,
): readonly Feedback[] {
  if (grade.verdict === 'solved') return [];
  const remarks = [...formatRemarks(grade), ...nameRemarks(grade, documentation), ...verdictRemarks(grade)];
  return reveal === 'answer' ? [...remarks, rightAnswer(grade)] : remarks;
}

function formatRemarks({ calls, verdict }: Grade): readonly Feedback[] {
  if (calls.length === 0) {
    return [format('The answer calls no tool: write "Action: <tool>", then "Action Input: {...}".')];
  }
  return calls.flatMap(({ action, input }, index) => {
    const call = callName(action, index);
    if (input.kind === 'broken') {
      return [
        format(`${call}: the Action Input is not valid JSON at character ${input.at}: ${input.problem}.`),
      ];
    }
    if (action === '') return [format(`${call}: there is an Action Input without an Action before it.`)];
    if (input.kind === 'missing' && verdict === 'format')
      return [format(`${call}: the Action Input is missing.`)];
    return [];
  });
}

/** Remarks on names that the documentation does not have, or that it asks for. */
function nameRemarks(
  { calls, gold }: Grade,
  documentation: ReadonlyMap<string, ToolDocumentation>,
): readonly Feedback[] {
  if (documentation.size === 0) return [];
  const goldNames = new Set(gold.flatMap(({ input }) => Object.keys(input)));
  return calls.flatMap((call, index) => {
    const { action } = call;
    if (action === '' || gold.some((right) => right.action === action && !documentation.has(action)))
      return [];
    const tool = documentation.get(action);
    if (tool === undefined) {
      const tools = [...documentation.keys()].join(', ');
      return [world(`${callName(action, index)}: there is no such tool; the tools are ${tools}.`)];
    }
    if (call.input.kind === 'broken') return [];
    const given = Object.keys(inputOf(call));
    // Some right answers use arguments that the documentation forgot.
    const unknown = given.filter((name) => !tool.parameters.includes(name) && !goldNames.has(name));
    const missing = tool.required.filter((name) => !given.includes(name) && goldNames.has(name));
    return [
      ...unknown.map((name) =>
        world(`${callName(action, index)}: the tool takes no argument ${quoted(name)}.`),
      ),
      ...missing.map((name) =>
        world(`${callName(action, index)}: the required argument ${quoted(name)} is missing.`),
      ),
    ];
  });
}

function verdictRemarks({ verdict, calls, gold }: Grade): readonly Feedback[] {
  switch (verdict) {
    case 'actions': {
      const called = calls.map(({ action }) => action).filter((action) => action !== '');
      const needed = gold.map(({ action }) => action);
      const extra = unmatched(called, needed).length;
      const absent = unmatched(needed, called).length;
      const parts = [
        ...(extra > 0 ? [`${extra} of ${count(called.length, 'tool call')} should not be there`] : []),
        ...(absent > 0
          ? [`${count(absent, 'needed tool call')} ${absent === 1 ? 'is' : 'are'} missing`]
          : []),
      ];
      return [world(`The set of tools called is wrong: ${parts.join(' and ')}.`)];
    }
    case 'arguments':
      return [world(`The right tools are called, but ${argumentProblem(calls, gold)}.`)];
    case 'format':
    case 'solved':
      return [];
  }
}

/** Which of the answer's own arguments are wrong, and how many are absent; never what they should be. */
function argumentProblem(calls: Grade['calls'], gold: Grade['gold']): string {
  const wrong = new Set<string>();
  let absent = 0;
  for (const [call, right] of pairsByTool(calls, gold)) {
    const given = inputOf(call);
    for (const [name, value] of Object.entries(given)) {
      const expected = right[name];
      if (expected === undefined || !sameJson(value, expected)) wrong.add(name);
    }
    absent += Object.keys(right).filter((name) => !Object.hasOwn(given, name)).length;
  }
  const parts = [
    ...(wrong.size > 0
      ? [`these arguments are not what was asked for: ${[...wrong].map(quoted).join(', ')}`]
      : []),
    ...(absent > 0 ? [`${count(absent, 'argument')} ${absent === 1 ? 'is' : 'are'} missing`] : []),
  ];
  return parts.length > 0 ? parts.join(', and ') : 'their arguments are spread over the calls in another way';
}

/** Each call beside a gold call of the same tool: an equal one where there is one, else the next. */
function pairsByTool(
  calls: Grade['calls'],
  gold: Grade['gold'],
): readonly (readonly [WrittenCall, Grade['gold'][number]['input']])[] {
  const left = [...gold];
  const takeFor = (call: WrittenCall, equalOnly: boolean): Grade['gold'][number] | undefined => {
    const place = left.findIndex(
      ({ action, input }) => action === call.action && (!equalOnly || sameJson(input, inputOf(call))),
    );
    return place < 0 ? undefined : left.splice(place, 1)[0];
  };
  const unequal = calls.filter((call) => takeFor(call, true) === undefined);
  return unequal.map((call) => [call, takeFor(call, false)?.input ?? {}] as const);
}

function rightAnswer({ gold }: Grade): Feedback {
  const calls = gold.map(({ action, input }) => `Action: ${action}\nAction Input: ${JSON.stringify(input)}`);
  return world(`The right answer is:\n${calls.join('\n')}`);
}

function callName(action: string, index: number): string {
  return action === '' ? `Call ${index + 1}` : `Call ${index + 1} (${cut(action)})`;
}

function quoted(name: string): string {
  return JSON.stringify(cut(name));
}

function cut(text: string): string {
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}

function count(number: number, thing: string): string {
  return `${number} ${thing}${number === 1 ? '' : 's'}`;
}

function format(text: string): Feedback {
  return { kind: FeedbackKind.FORMAT, text, visibility: FeedbackVisibility.TEACHER };
}

function world(text: string): Feedback {
  return { kind: FeedbackKind.ENVIRONMENT, text, visibility: FeedbackVisibility.TEACHER };
}
