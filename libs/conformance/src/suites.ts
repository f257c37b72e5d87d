/** Suites that judge any policy and any environment by its address, over the wire alone. */
export { judgePolicy, policyChecks, type PolicySuiteOptions } from './policy/policy-suite.js';
export { float32Tolerance, type Tolerance } from './policy/subject.js';
export {
  environmentChecks,
  type EnvironmentSuiteOptions,
  judgeEnvironment,
} from './environment/environment-suite.js';
export type { Check } from './suite/check.js';
export type { CheckResult, Fate, SuiteListener } from './suite/run-suite.js';
export type { SuiteReport } from './suite/suite-report.js';
