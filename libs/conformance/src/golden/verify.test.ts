import { describe, expect, it } from '@jest/globals';
import { engineDeviation, specDeviation } from './deviation.js';
import { type GoldenCase, loadGoldenCases } from './golden-case.js';
import { engineTolerance, specTolerance, summaryOf, verifyGolden } from './verify.js';

const cases = loadGoldenCases();
const [first] = cases;
const masked = cases.find(({ completions }) =>
  completions.some(({ tokens }) => !tokens.some(({ counts }) => counts)),
)!;

describe('specDeviation', () => {
  it.each(cases.map((golden) => ({ name: golden.name, golden })))('is rounding for $name', ({ golden }) => {
    const { loss, gradient } = specDeviation(golden);
    expect(Math.max(loss, gradient)).toBeLessThan(specTolerance);
  });
  it('finds a loss that is off', () => {
    expect(specDeviation({ ...first!, loss: first!.loss + 0.25 }).loss).toBeCloseTo(0.25, 12);
  });
  it('finds a gradient that is off, where a token counts and where none does', () => {
    expect(specDeviation(withGradientMoved(first!, 0.25)).gradient).toBeCloseTo(0.25, 12);
    expect(specDeviation(withGradientMoved(masked, 0.25)).gradient).toBeCloseTo(0.25, 12);
  });
});

describe('engineDeviation', () => {
  it.each(cases.map((golden) => ({ name: golden.name, golden })))(
    'is float32 rounding for $name',
    async ({ golden }) => {
      const { loss, gradient } = await engineDeviation(golden);
      expect(Math.max(loss, gradient)).toBeLessThan(engineTolerance);
    },
  );
  it('finds a loss and a gradient that are off', async () => {
    const { loss } = await engineDeviation({ ...first!, loss: first!.loss * 1.01 });
    expect(loss).toBeCloseTo(0.01 / 1.01, 5);
    expect((await engineDeviation(withGradientMoved(first!, 0.25))).gradient).toBeGreaterThan(0.1);
    expect((await engineDeviation(withGradientMoved(masked, 0.25))).gradient).toBeGreaterThan(0.1);
  });
});

describe('verifyGolden', () => {
  it('counts what passes and names what does not', async () => {
    const wrong = { ...first!, name: 'the wrong one', loss: 1e6 };
    const verdict = await verifyGolden([first!, wrong]);
    expect(summaryOf(verdict)).toBe('golden: 1/2 spec, 1/2 engine');
    expect(verdict.spec.failures).toEqual([
      expect.stringMatching(/^spec: the wrong one: loss off by 1\.0e\+6/),
    ]);
    expect(verdict.engine.failures).toHaveLength(1);
  });
  it('fails what is not a number', async () => {
    const verdict = await verifyGolden([{ ...first!, loss: NaN }]);
    expect(summaryOf(verdict)).toBe('golden: 0/1 spec, 0/1 engine');
  });
});

/** The case with the first entry of a row's gradient moved: a masked row, if there is one. */
function withGradientMoved(golden: GoldenCase, by: number): GoldenCase {
  const row = golden.completions.findIndex(({ tokens }) => !tokens.some(({ counts }) => counts));
  return {
    ...golden,
    completions: golden.completions.map((completion, b) => ({
      ...completion,
      tokens: completion.tokens.map((token, t) => ({
        ...token,
        gradient: token.gradient.map((value, v) =>
          b === Math.max(0, row) && t === 0 && v === 0 ? value + by : value,
        ),
      })),
    })),
  };
}
