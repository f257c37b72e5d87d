/** Leaves of the recipe's schema: each says what it allows, once, for error messages and for the reference table alike. */
import { z } from 'zod';

/** Where a number may lie. */
export interface Range {
  readonly min?: number;
  /** Excludes `min` itself. */
  readonly above?: number;
  readonly max?: number;
  /** Excludes `max` itself. */
  readonly below?: number;
}

export function number(range: Range, description: string) {
  return z
    .number()
    .refine((value) => inRange(value, range))
    .meta({ allowed: `a number${phrase(range)}`, description });
}

export function whole(range: Range, description: string) {
  return z
    .number()
    .refine((value) => Number.isSafeInteger(value) && inRange(value, range))
    .meta({ allowed: `a whole number${phrase(range)}`, description });
}

export function text(allowed: string, description: string, pattern = /\S/) {
  return z.string().regex(pattern).meta({ allowed, description });
}

export function flag(description: string) {
  return z.boolean().meta({ allowed: 'true or false', description });
}

export function oneOf<const Values extends readonly [string, ...string[]]>(
  values: Values,
  description: string,
) {
  return z.enum(values).meta({ allowed: `one of ${values.join(', ')}`, description });
}

function inRange(value: number, { min, above, max, below }: Range): boolean {
  return (
    (min === undefined || value >= min) &&
    (above === undefined || value > above) &&
    (max === undefined || value <= max) &&
    (below === undefined || value < below)
  );
}

function phrase({ min, above, max, below }: Range): string {
  const limits = [
    above === undefined ? [] : [`above ${above}`],
    min === undefined ? [] : [`at least ${min}`],
    max === undefined || max === Number.MAX_SAFE_INTEGER ? [] : [`at most ${max}`],
    below === undefined ? [] : [`below ${below}`],
  ].flat();
  return limits.length === 0 ? '' : ` ${limits.join(' and ')}`;
}
