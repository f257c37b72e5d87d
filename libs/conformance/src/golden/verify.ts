/** The verdict on specification and engine, case by case. */

import { type Deviation, engineDeviation, specDeviation } from './deviation.js';
import { type GoldenCase } from './golden-case.js';

/** How one side fared. */
export interface Fared {
  readonly passed: number;
  /** One sentence per case that failed. */
  readonly failures: readonly string[];
}

/** How both sides fared on the same cases. */
export interface GoldenVerdict {
  readonly cases: number;
  readonly spec: Fared;
  readonly engine: Fared;
}

/** The specification may differ by this much. */
export const specTolerance = 1e-9;

/** The engine computes in float32 and may differ by this share. */
export const engineTolerance = 1e-4;

/** Runs every case against the specification and the onnxruntime engine's graphs. */
export async function verifyGolden(cases: readonly GoldenCase[]): Promise<GoldenVerdict> {
  const spec: Deviation[] = [];
  const engine: Deviation[] = [];
  for (const golden of cases) {
    spec.push(specDeviation(golden));
    engine.push(await engineDeviation(golden));
  }
  return {
    cases: cases.length,
    spec: judge('spec', cases, spec, specTolerance),
    engine: judge('engine', cases, engine, engineTolerance),
  };
}

/** The line that sums it up: `golden: n/n spec, n/n engine`. */
export function summaryOf({ cases, spec, engine }: GoldenVerdict): string {
  return `golden: ${spec.passed}/${cases} spec, ${engine.passed}/${cases} engine`;
}

function judge(
  side: string,
  cases: readonly GoldenCase[],
  deviations: readonly Deviation[],
  tolerance: number,
): Fared {
  const failures = cases.flatMap(({ name }, index) => {
    const { loss = NaN, gradient = NaN } = deviations[index] ?? {};
    // A NaN is never within the tolerance.
    if (loss <= tolerance && gradient <= tolerance) return [];
    return [
      `${side}: ${name}: loss off by ${loss.toExponential(1)}, gradient by ${gradient.toExponential(1)}, allowed ${tolerance}`,
    ];
  });
  return { passed: cases.length - failures.length, failures };
}
