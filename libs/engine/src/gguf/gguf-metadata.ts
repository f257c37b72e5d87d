import { CheckpointError } from '../errors.js';
import type { GgufHeader, GgufValue } from './gguf-header.js';

/** Reads values of a GGUF file's metadata by key and kind; errors name the file and the key. */
export class GgufMetadata {
  constructor(
    private readonly values: GgufHeader['metadata'],
    private readonly file: string,
  ) {}

  has(key: string): boolean {
    return this.values.has(key);
  }

  text(key: string): string {
    const value = this.required(key);
    if (typeof value === 'string') return value;
    throw this.fail(key, 'is not a text');
  }

  optionalText(key: string): string | undefined {
    return this.has(key) ? this.text(key) : undefined;
  }

  number(key: string): number {
    const value = this.required(key);
    if (typeof value === 'number') return value;
    throw this.fail(key, 'is not a number');
  }

  optionalNumber(key: string): number | undefined {
    return this.has(key) ? this.number(key) : undefined;
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.values.get(key) ?? fallback;
    if (typeof value === 'boolean') return value;
    throw this.fail(key, 'is neither true nor false');
  }

  texts(key: string): readonly string[] {
    return this.list(key, (value): value is string => typeof value === 'string');
  }

  numbers(key: string): readonly number[] {
    return this.list(key, (value): value is number => typeof value === 'number');
  }

  fail(key: string, problem: string): CheckpointError {
    return new CheckpointError({ reason: 'invalid', file: this.file, problem: `metadata ${key} ${problem}` });
  }

  private required(key: string): GgufValue {
    const value = this.values.get(key);
    if (value === undefined) throw this.fail(key, 'is missing');
    return value;
  }

  private list<T extends GgufValue>(key: string, is: (value: GgufValue) => value is T): readonly T[] {
    const value = this.required(key);
    if (typeof value === 'object' && value.every(is)) return value;
    throw this.fail(key, 'is not a list of one kind');
  }
}
