/** What judges implementations: golden vectors for the loss. */
export {
  type GoldenCase,
  type GoldenCompletion,
  type GoldenToken,
  loadGoldenCases,
  parseGoldenCases,
} from './golden/golden-case.js';
export { type Deviation, engineDeviation, specDeviation } from './golden/deviation.js';
export {
  engineTolerance,
  type Fared,
  type GoldenVerdict,
  specTolerance,
  summaryOf,
  verifyGolden,
} from './golden/verify.js';
