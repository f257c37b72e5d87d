import { InvalidArgumentError } from 'commander';

/** Reads a whole number above 0 off the command line. */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidArgumentError(`"${text}" is not a whole number above 0.`);
}
