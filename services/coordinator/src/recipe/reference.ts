/** The recipe's keys as a table, read off the schema: for error messages and for the reference in the README. */
import { z } from 'zod';
import { recipeSchema } from './schema.js';

/** One key of a recipe. */
export interface KeyReference {
  /** Dotted path. */
  readonly key: string;
  /** Completes the sentence "must be ...". */
  readonly allowed: string;
  readonly description: string;
}

/** Every key that holds a value, in the order of the schema. */
export const recipeReference: readonly KeyReference[] = leaves('', recipeSchema);

/** The keys that a map of the recipe may have; undefined when the path is not a map. */
export function keysAt(path: string): readonly string[] | undefined {
  const prefix = path === '' ? '' : `${path}.`;
  const below = recipeReference
    .filter(({ key }) => key.startsWith(prefix))
    .map(({ key }) => key.slice(prefix.length));
  const keys = [...new Set(below.map((key) => key.split('.')[0] ?? ''))];
  return keys.length === 0 ? undefined : keys;
}

function leaves(key: string, schema: z.core.$ZodType): readonly KeyReference[] {
  const meta = z.globalRegistry.get(schema);
  if (typeof meta?.['allowed'] === 'string') {
    return [{ key, allowed: meta['allowed'], description: meta.description ?? '' }];
  }
  if (schema instanceof z.ZodExactOptional || schema instanceof z.ZodOptional)
    return leaves(key, schema.unwrap());
  if (schema instanceof z.ZodObject) {
    const shape: Readonly<Record<string, z.core.$ZodType>> = schema.shape;
    return Object.entries(shape).flatMap(([name, inner]) =>
      leaves(key === '' ? name : `${key}.${name}`, inner),
    );
  }
  if (schema instanceof z.ZodDiscriminatedUnion) return unionLeaves(key, schema.options);
  return [];
}

/** The kinds of a union are one key; what its kinds have beside is listed once. */
function unionLeaves(key: string, options: readonly z.core.$ZodType[]): readonly KeyReference[] {
  const kinds: string[] = [];
  const others = new Map<string, KeyReference>();
  for (const option of options) {
    if (!(option instanceof z.ZodObject)) continue;
    const shape: Readonly<Record<string, z.core.$ZodType>> = option.shape;
    const kind = shape['kind'];
    if (kind instanceof z.ZodLiteral) kinds.push([...kind.values].join(', '));
    for (const leaf of leaves(key, option)) others.set(leaf.key, leaf);
  }
  return [
    {
      key: `${key}.kind`,
      allowed: `one of ${kinds.join(', ')}`,
      description: 'The kind; top-K counts the tokens likeliest to the student.',
    },
    ...others.values(),
  ];
}
