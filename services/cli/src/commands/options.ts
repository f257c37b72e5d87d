/** Readers of command-line values: each refuses what is wrong with one clear sentence. */
import { InvalidArgumentError } from 'commander';

export const integer =
  (least: number, most: number) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isInteger(value) || value < least || value > most) {
      throw new InvalidArgumentError(`"${text}" is not a whole number from ${least} to ${most}.`);
    }
    return value;
  };

export const decimal =
  (least: number, most: number) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() === '' || !(value >= least && value <= most)) {
      throw new InvalidArgumentError(`"${text}" is not a number from ${least} to ${most}.`);
    }
    return value;
  };

/** Collects a repeatable option. */
export const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];
