import { CheckpointError } from './errors.js';
import { isJsonObject, type JsonObject } from './json.js';

/** Reads keys of one configuration file and names file and key in its errors, which are `CheckpointError`s. */
export class ConfigKeys {
  constructor(
    private readonly values: JsonObject,
    private readonly file: string,
    /** What is written before a key in messages, for example `rope_scaling.`. */
    private readonly path = '',
  ) {}

  fail(key: string, problem: string): CheckpointError {
    return new CheckpointError({
      reason: 'invalid',
      file: this.file,
      problem: `${this.path}${key}: ${problem}`,
    });
  }

  /** The value as written; null counts as absent. */
  raw(key: string): unknown {
    return this.values[key] ?? undefined;
  }

  /** Whether null is written, which some keys tell from absence. */
  isNull(key: string): boolean {
    return this.values[key] === null;
  }

  positive(key: string, fallback?: number): number {
    const value = this.raw(key) ?? fallback;
    if (value === undefined) throw this.fail(key, 'is missing');
    if (typeof value === 'number' && Number.isSafeInteger(value) && value > 0) return value;
    throw this.fail(key, `${JSON.stringify(value)} is not a positive whole number`);
  }

  real(key: string, fallback?: number): number {
    const value = this.raw(key) ?? fallback;
    if (value === undefined) throw this.fail(key, 'is missing');
    if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value;
    throw this.fail(key, `${JSON.stringify(value)} is not a positive number`);
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.raw(key) ?? fallback;
    if (typeof value === 'boolean') return value;
    throw this.fail(key, `${JSON.stringify(value)} is neither true nor false`);
  }

  /** The keys of a nested object, or `undefined` when there is none. */
  nested(key: string): ConfigKeys | undefined {
    const value = this.raw(key);
    if (value === undefined) return undefined;
    if (!isJsonObject(value)) throw this.fail(key, 'is not an object');
    return new ConfigKeys(value, this.file, `${this.path}${key}.`);
  }

  /** Refuses any value but those listed; absence is fine. */
  allow(key: string, allowed: readonly unknown[]): void {
    const value = this.raw(key);
    if (value !== undefined && !allowed.includes(value))
      throw this.fail(key, `${JSON.stringify(value)} is not supported`);
  }

  /** Refuses anything but one value, absence included. */
  require(key: string, only: string): void {
    const value = this.raw(key);
    if (value === undefined) throw this.fail(key, `is missing; "${only}" is supported`);
    if (value !== only) throw this.fail(key, `${JSON.stringify(value)} is not supported; "${only}" is`);
  }

  /** One id, a list of ids, or null for none; `fallback` where nothing is written and the vocabulary has it. */
  ids(key: string, vocabularySize: number, fallback?: number): readonly number[] {
    if (this.isNull(key)) return [];
    const value = this.raw(key);
    if (value === undefined) return fallback !== undefined && fallback < vocabularySize ? [fallback] : [];
    const ids: readonly unknown[] = Array.isArray(value) ? value : [value];
    return ids.map((id) => {
      if (typeof id === 'number' && Number.isSafeInteger(id) && id >= 0 && id < vocabularySize) return id;
      throw this.fail(key, `${JSON.stringify(id)} is not an id in [0, ${vocabularySize})`);
    });
  }
}
