/** Grades an answer: does it call the right tools with the right arguments? */
import { type Call, readCalls, type WrittenCall } from './calls.js';
import type { Json, JsonObject } from './json-object.js';
import { sameJson } from './same-json.js';
import type { ToolTask } from './tool-task.js';

/**
 * How arguments are held against the gold ones. `merged` is the published reference: the multiset of tool names must be
 * equal, and so must the arguments of all calls merged into one object, later calls over earlier ones. `per-call`
 * holds every call against one gold call of its own, in any order.
 */
export const pairings = ['merged', 'per-call'] as const;

/** One of the two. */
export type Pairing = (typeof pairings)[number];

/** Which part of an answer is wrong, if any; the first that is. */
export type ToolVerdict = 'solved' | 'format' | 'actions' | 'arguments';

/** What an answer is worth. */
export interface Grade {
  readonly verdict: ToolVerdict;
  /** The calls as written. */
  readonly calls: readonly WrittenCall[];
  /** The gold calls it was held against: of those with and without optional calls, the nearest in number. */
  readonly gold: readonly Call[];
}

/** Grades an answer to a task. */
export function grade({ gold }: Pick<ToolTask, 'gold'>, answer: string, pairing: Pairing): Grade {
  const calls = readCalls(answer);
  const candidates = withAndWithoutOptional(gold);
  const distance = (candidate: readonly Call[]): number => Math.abs(candidate.length - calls.length);
  const nearest = [...candidates].sort((a, b) => distance(a) - distance(b))[0] ?? [];
  if (calls.length === 0 || calls.some((call) => isMalformed(call, pairing))) {
    return { verdict: 'format', calls, gold: nearest };
  }
  const named = candidates.filter((candidate) => sameMultiset(names(calls), names(candidate)));
  if (named.length === 0) return { verdict: 'actions', calls, gold: nearest };
  const equal = named.find((candidate) => sameArguments(calls, candidate, pairing));
  return equal === undefined
    ? { verdict: 'arguments', calls, gold: named[0] ?? nearest }
    : { verdict: 'solved', calls, gold: equal };
}

/** The reference merges the inputs there are, so a call without one is as good as one with `{}`; per call it is not. */
function isMalformed({ action, input }: WrittenCall, pairing: Pairing): boolean {
  if (input.kind === 'broken') return true;
  if (pairing === 'merged') return action === '' && input.kind === 'missing';
  return action === '' || input.kind === 'missing';
}

function sameArguments(calls: readonly WrittenCall[], gold: readonly Call[], pairing: Pairing): boolean {
  switch (pairing) {
    case 'merged':
      return sameJson(merged(calls.map(inputOf)), merged(gold.map(({ input }) => input)));
    case 'per-call':
      return sameMultiset(
        calls.map((call) => ({ action: call.action, input: inputOf(call) })),
        gold.map(({ action, input }) => ({ action, input })),
      );
  }
}

/** The input of a call, `{}` where none is written. */
export function inputOf({ input }: WrittenCall): JsonObject {
  return input.kind === 'object' ? input.value : {};
}

function merged(inputs: readonly JsonObject[]): JsonObject {
  return Object.fromEntries(inputs.flatMap((input) => Object.entries(input)));
}

/** Names of tools called; an input on its own calls none. */
function names(calls: readonly { readonly action: string }[]): readonly string[] {
  return calls.map(({ action }) => action).filter((action) => action !== '');
}

/** Whether every item of one is an item of the other, as often. */
function sameMultiset(a: readonly Json[], b: readonly Json[]): boolean {
  return a.length === b.length && unmatched(a, b).length === 0;
}

/** What of `a` is left when each item of `b` takes away one equal to it. */
export function unmatched<T extends Json>(a: readonly T[], b: readonly Json[]): readonly T[] {
  const left = [...b];
  return a.filter((item) => {
    const place = left.findIndex((other) => sameJson(item, other));
    if (place >= 0) left.splice(place, 1);
    return place < 0;
  });
}

/** Every choice of optional calls, all of them first. */
function withAndWithoutOptional(gold: ToolTask['gold']): readonly (readonly Call[])[] {
  return gold.reduce<readonly (readonly Call[])[]>(
    (choices, call) =>
      call.optional
        ? [...choices.map((choice) => [...choice, call]), ...choices]
        : choices.map((choice) => [...choice, call]),
    [[]],
  );
}
