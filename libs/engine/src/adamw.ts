import type { OptimizerSettings } from './engine.js';

/** What one optimizer step did. */
export interface OptimizerOutcome {
  /** Global L2 norm before clipping; not finite exactly when some element of the gradient is not. */
  readonly gradientNorm: number;
  /** The gradient was not finite: weights, moments and step count are as they were. */
  readonly skipped: boolean;
}

/**
 * AdamW over one flat float32 array: moments in float32, arithmetic in float64 (Loshchilov and Hutter, arXiv 1711.05101).
 *
 * With g the clipped gradient at step t:
 *   m <- beta1 m + (1 - beta1) g,   v <- beta2 v + (1 - beta2) g^2,
 *   w <- (1 - lr wd) w - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps).
 */
export class AdamW {
  readonly firstMoment: Float32Array;
  readonly secondMoment: Float32Array;
  /** Steps taken, which bias correction counts. */
  steps: number;

  /** Starts from zero moments, or from saved ones, which it then owns. */
  constructor(
    size: number,
    saved?: {
      readonly firstMoment: Float32Array;
      readonly secondMoment: Float32Array;
      readonly steps: number;
    },
  ) {
    this.firstMoment = saved?.firstMoment ?? new Float32Array(size);
    this.secondMoment = saved?.secondMoment ?? new Float32Array(size);
    this.steps = saved?.steps ?? 0;
    if (this.firstMoment.length !== size || this.secondMoment.length !== size)
      throw new RangeError(
        `The moments have ${this.firstMoment.length} and ${this.secondMoment.length} elements, not ${size}.`,
      );
  }

  /** Moves `weights` in place by one step along `gradient`, which is left as it is. */
  step(weights: Float32Array, gradient: Float32Array, settings: OptimizerSettings): OptimizerOutcome {
    if (weights.length !== this.firstMoment.length || gradient.length !== weights.length)
      throw new RangeError(
        `${weights.length} weights, ${gradient.length} gradients, ${this.firstMoment.length} moments.`,
      );
    const gradientNorm = globalNorm(gradient);
    if (!Number.isFinite(gradientNorm)) return { gradientNorm, skipped: true };
    this.steps += 1;
    this.update(weights, gradient, clipScale(gradientNorm, settings.maxGradientNorm), settings);
    return { gradientNorm, skipped: false };
  }

  /** A copy that shares no memory. */
  clone(): AdamW {
    const { steps } = this;
    const [firstMoment, secondMoment] = [this.firstMoment.slice(), this.secondMoment.slice()];
    return new AdamW(firstMoment.length, { firstMoment, secondMoment, steps });
  }

  /** Overwrites moments and step count by those of another of the same size. */
  copyFrom(source: AdamW): void {
    this.firstMoment.set(source.firstMoment);
    this.secondMoment.set(source.secondMoment);
    this.steps = source.steps;
  }

  private update(
    weights: Float32Array,
    gradient: Float32Array,
    scale: number,
    settings: OptimizerSettings,
  ): void {
    const { learningRate, beta1, beta2, epsilon, weightDecay } = settings;
    const { firstMoment, secondMoment } = this;
    const keep = 1 - learningRate * weightDecay;
    const stepSize = learningRate / (1 - beta1 ** this.steps);
    const rootCorrection = 1 / Math.sqrt(1 - beta2 ** this.steps);
    const [rest1, rest2] = [1 - beta1, 1 - beta2];
    for (let i = 0; i < weights.length; i++) {
      const g = (gradient[i] ?? 0) * scale;
      const m = beta1 * (firstMoment[i] ?? 0) + rest1 * g;
      const v = beta2 * (secondMoment[i] ?? 0) + rest2 * g * g;
      firstMoment[i] = m;
      secondMoment[i] = v;
      weights[i] = keep * (weights[i] ?? 0) - (stepSize * m) / (sqrt(v) * rootCorrection + epsilon);
    }
  }
}

/** L2 norm over all elements, accumulated in float64, in which squares of float32 numbers cannot overflow. */
export function globalNorm(gradient: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < gradient.length; i++) {
    const g = gradient[i] ?? 0;
    sum += g * g;
  }
  return Math.sqrt(sum);
}

/** Factor in (0, 1] that brings the norm down to `maxNorm`; 1 without a limit. */
export function clipScale(norm: number, maxNorm: number | undefined): number {
  return maxNorm === undefined || norm <= maxNorm ? 1 : maxNorm / norm;
}

/** Bound once: the inner loop looks nothing up. */
const { sqrt } = Math;
