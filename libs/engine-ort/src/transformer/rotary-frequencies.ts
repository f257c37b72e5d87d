import type { Rope, RopeScaling } from '@backsight/engine';

/** How fast rotary embeddings turn. */
export interface RotaryFrequencies {
  /** Radians per position of each channel pair. Shape [d/2]. */
  readonly frequencies: Float32Array;
  /** Multiplies cosines and sines. */
  readonly amplitude: number;
}

/**
 * Frequencies of a head of d channels: theta^(-2c/d), then scaled.
 *
 * Rounded to float32 where transformers rounds, because models were trained with those angles: at position 10,000 the
 * rounding is 10^-3 radians.
 */
export function rotaryFrequencies({ theta, scaling }: Rope, headDim: number): RotaryFrequencies {
  const plain = Float32Array.from({ length: headDim / 2 }, (_, c) => 1 / round(theta ** ((2 * c) / headDim)));
  if (scaling === undefined) return { frequencies: plain, amplitude: 1 };
  switch (scaling.kind) {
    case 'linear':
      return { frequencies: plain.map((frequency) => frequency / scaling.factor), amplitude: 1 };
    case 'llama3':
      return { frequencies: plain.map((frequency) => llama3(frequency, scaling)), amplitude: 1 };
    case 'yarn':
      return {
        frequencies: plain.map((frequency, c) =>
          yarn(frequency, slowedShare(c, theta, headDim, scaling), scaling),
        ),
        amplitude: scaling.attentionFactor,
      };
  }
}

type Llama3 = Extract<RopeScaling, { readonly kind: 'llama3' }>;
type Yarn = Extract<RopeScaling, { readonly kind: 'yarn' }>;

/** By wavelength: the long ones are slowed, the short ones kept, those between blended by turns in the original context. */
function llama3(frequency: number, scaling: Llama3): number {
  const { factor, lowFrequencyFactor, highFrequencyFactor, originalContext } = scaling;
  const turns = (originalContext * frequency) / (2 * Math.PI);
  if (turns < lowFrequencyFactor) return frequency / factor;
  if (turns > highFrequencyFactor) return frequency;
  const kept = (turns - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor);
  return ((1 - kept) * frequency) / factor + kept * frequency;
}

/** YaRN section 3.2: a blend of the interpolated and the plain frequency. */
function yarn(frequency: number, slowed: number, { factor }: Yarn): number {
  return (frequency / factor) * slowed + frequency * (1 - slowed);
}

/** YaRN's ramp over channel pairs: 0 where they turn betaFast times in the original context, 1 at betaSlow. */
function slowedShare(channel: number, theta: number, headDim: number, scaling: Yarn): number {
  const { originalContext, betaFast, betaSlow, wholeChannels } = scaling;
  const channelThatTurns = (times: number) =>
    (headDim * Math.log(originalContext / (times * 2 * Math.PI))) / (2 * Math.log(theta));
  const [first, last] = [channelThatTurns(betaFast), channelThatTurns(betaSlow)];
  const low = Math.max(wholeChannels ? Math.floor(first) : first, 0);
  const high = Math.min(wholeChannels ? Math.ceil(last) : last, headDim - 1);
  // A ramp of no length would divide by zero.
  const length = high === low ? 0.001 : high - low;
  return Math.min(1, Math.max(0, (channel - low) / length));
}

const round = Math.fround;
