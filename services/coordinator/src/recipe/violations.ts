/** What is wrong with a recipe, key by key, in words that say what would be right. */
import type { z } from 'zod';
import { didYouMean } from './did-you-mean.js';
import { keysAt, recipeReference } from './reference.js';

export interface RecipeViolation {
  /** Dotted path of the key; empty for the recipe as a whole. */
  readonly field: string;
  readonly description: string;
}

/** One violation per key. */
export function violationsOf(issues: readonly z.core.$ZodIssue[]): readonly RecipeViolation[] {
  const byField = new Map<string, RecipeViolation>();
  for (const violation of issues.flatMap(describe)) {
    if (!byField.has(violation.field)) byField.set(violation.field, violation);
  }
  return [...byField.values()];
}

function describe(issue: z.core.$ZodIssue): readonly RecipeViolation[] {
  const field = issue.path.join('.');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      field: field === '' ? key : `${field}.${key}`,
      description: unknownKey(field, key),
    }));
  }
  if (issue.code === 'invalid_union') {
    // A union is told apart by its kind; the issue lies at the kind of a map, or at what is no map.
    const given: unknown = issue.input;
    if (typeof given !== 'object' || given === null) return [{ field, description: mustBe(field, given) }];
    const kind = field.endsWith('.kind') ? field : `${field}.kind`;
    return [{ field: kind, description: mustBe(kind, 'kind' in given ? given.kind : undefined) }];
  }
  if (issue.code === 'custom' && issue.message !== 'Invalid input')
    return [{ field, description: issue.message }];
  return [{ field, description: mustBe(field, issue.input) }];
}

function unknownKey(path: string, key: string): string {
  const known = keysAt(path) ?? [];
  const meant = didYouMean(key, known);
  return meant === undefined
    ? `is no key of a recipe; known here: ${known.join(', ')}`
    : `is no key of a recipe; did you mean ${meant}?`;
}

function mustBe(field: string, value: unknown): string {
  // What is wrong with an item is told by its list.
  const list = field.replace(/\.\d+$/, '');
  const allowed = recipeReference.find(({ key }) => key === field || key === list)?.allowed ?? mapWith(field);
  return `must be ${allowed}, ${value === undefined ? 'is missing' : `is ${show(value)}`}`;
}

function mapWith(field: string): string {
  const keys = keysAt(field);
  return keys === undefined ? 'something else' : `a map with the keys ${keys.join(', ')}`;
}

function show(value: unknown): string {
  if (typeof value === 'number') return String(value);
  const text = JSON.stringify(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}
