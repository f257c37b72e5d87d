import type { Model } from '../transformer/model.js';
import type { GradientSum } from './gradient.js';
import type { PolicyWeights } from './policy-weights.js';

/** What a transaction works on. */
export interface Workbench {
  readonly model: Model;
  readonly policy: PolicyWeights;
  readonly gradient: GradientSum;
}
