/** Problems: what is wrong with settings, field by field, so that a person can put all of it right at once. */

/** One thing wrong with one field. */
export interface Problem {
  /** Dotted path of the field, for example `distillation.alpha`. */
  readonly field: string;
  /** What it must be and what it is. */
  readonly problem: string;
}

/** Where a number must lie. */
export interface Bounds {
  readonly above?: number;
  readonly atLeast?: number;
  readonly atMost?: number;
  readonly whole?: true;
}

/** The problem of a number outside its bounds or not finite; none when the field is absent. */
export function numberProblems(field: string, value: number | undefined, bounds: Bounds): readonly Problem[] {
  if (value === undefined || isWithin(value, bounds)) return [];
  return [{ field, problem: `must be ${describe(bounds)}, is ${value}` }];
}

/** The problems of a part of the settings, its field put before theirs. */
export function within(field: string, problems: readonly Problem[]): readonly Problem[] {
  return problems.map((found) => ({ ...found, field: `${field}.${found.field}` }));
}

function isWithin(value: number, { above, atLeast, atMost, whole }: Bounds): boolean {
  return (
    Number.isFinite(value) &&
    (above === undefined || value > above) &&
    (atLeast === undefined || value >= atLeast) &&
    (atMost === undefined || value <= atMost) &&
    (whole === undefined || Number.isInteger(value))
  );
}

function describe({ above, atLeast, atMost, whole }: Bounds): string {
  const limits = [
    above === undefined ? [] : [`above ${above}`],
    atLeast === undefined ? [] : [`at least ${atLeast}`],
    atMost === undefined ? [] : [`at most ${atMost}`],
  ].flat();
  const kind = whole === undefined ? 'a number' : 'a whole number';
  return limits.length === 0 ? `${kind} that is finite` : `${kind} ${limits.join(' and ')}`;
}
