/** Reads settings from environment variables into a frozen value, or says everything that is wrong with them at once. */
import { resolve } from 'node:path';
import { parseAddress } from './address.js';
import { type LogLevel, logLevels } from './logger.js';

/** One setting: the variable it is read from, and how. */
export interface Setting<T> {
  /** For example `BACKSIGHT_TOOLS_ADDRESS`. */
  readonly variable: string;
  /** What it is for, in a line of `--help`. */
  readonly about: string;
  /** What is expected, to complete the sentence "X must be ...". */
  readonly expected: string;
  /** The value of a text, or undefined when it is not one. */
  readonly parse: (text: string) => T | undefined;
  /** The value of an unset variable; without it the variable is required. */
  readonly fallback?: { readonly value: T };
}

/** The values of a record of settings. */
export type SettingValues<Spec> = Readonly<{
  [Name in keyof Spec]: Spec[Name] extends Setting<infer T> ? T : never;
}>;

/** A record of settings, by the name that code knows them by. */
export type SettingsSpec = Readonly<Record<string, Setting<unknown>>>;

/** What is wrong with the environment: one line per setting. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
  constructor(readonly problems: readonly string[]) {
    super(problems.join('\n'));
  }
}

/** The environment, as `process.env` has it. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads all settings; an empty variable counts as unset. Throws SettingsError.
 * With a `prefix`, variables that begin with it and that no setting reads are wrong too: a typing error is not ignored.
 */
export function readSettings<Spec extends SettingsSpec>(
  env: Environment,
  spec: Spec,
  options?: { readonly prefix?: string },
): SettingValues<Spec>;
export function readSettings(
  env: Environment,
  spec: SettingsSpec,
  options: { readonly prefix?: string } = {},
): object {
  const problems: string[] = unknownVariables(env, spec, options.prefix);
  const values: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries(spec)) {
    const text = env[setting.variable] ?? '';
    if (text === '') {
      if (setting.fallback === undefined)
        problems.push(`${setting.variable} must be set: ${setting.expected}`);
      else values[name] = setting.fallback.value;
      continue;
    }
    const value = setting.parse(text);
    if (value === undefined) problems.push(`${setting.variable} must be ${setting.expected}, not "${text}"`);
    else values[name] = value;
  }
  if (problems.length > 0) throw new SettingsError(problems);
  return Object.freeze(values);
}

/** Any text. */
export function text(variable: string, about: string, fallback?: string): Setting<string> {
  return { variable, about, expected: about, parse: (value) => value, ...optional(fallback) };
}

/** A whole number in [low, high]. */
export function integer(
  variable: string,
  about: string,
  low: number,
  high: number,
  fallback?: number,
): Setting<number> {
  return {
    variable,
    about,
    expected: `a whole number in [${low}, ${high}]`,
    parse: (value) => (/^-?\d{1,15}$/.test(value) ? within(Number(value), low, high) : undefined),
    ...optional(fallback),
  };
}

/** A number in [low, high]. */
export function decimal(
  variable: string,
  about: string,
  low: number,
  high: number,
  fallback?: number,
): Setting<number> {
  return {
    variable,
    about,
    expected: `a number in [${low}, ${high}]`,
    parse: (value) => (value.trim() === '' ? undefined : within(Number(value), low, high)),
    ...optional(fallback),
  };
}

/** One of a few words. */
export function choice<const Word extends string>(
  variable: string,
  about: string,
  words: readonly Word[],
  fallback?: NoInfer<Word>,
): Setting<Word> {
  return {
    variable,
    about,
    expected: `one of ${words.join(', ')}`,
    parse: (value) => words.find((word) => word === value),
    ...optional(fallback),
  };
}

/** `host:port`. */
export function address(variable: string, about: string, fallback?: string): Setting<string> {
  return {
    variable,
    about,
    expected: 'an address host:port, for example 127.0.0.1:7101',
    parse: (value) => {
      try {
        parseAddress(value);
        return value;
      } catch {
        return undefined;
      }
    },
    ...optional(fallback),
  };
}

/** Paths separated by commas, made absolute. */
export function paths(
  variable: string,
  about: string,
  fallback?: readonly string[],
): Setting<readonly string[]> {
  return {
    variable,
    about,
    expected: about,
    parse: (value) =>
      value
        .split(',')
        .map((each) => each.trim())
        .filter((each) => each !== '')
        .map((each) => resolve(each)),
    ...optional(fallback?.map((each) => resolve(each))),
  };
}

/** One path, made absolute. */
export function path(variable: string, about: string, fallback?: string): Setting<string> {
  return {
    variable,
    about,
    expected: about,
    parse: (value) => resolve(value),
    ...optional(fallback === undefined ? undefined : resolve(fallback)),
  };
}

/** The same setting, undefined when its variable is unset. */
export function maybe<T>(setting: Setting<T>): Setting<T | undefined> {
  return { ...setting, fallback: { value: undefined } };
}

/** The settings that every room has; their variables begin with `BACKSIGHT_<ROOM>_`. */
export interface RoomSettings extends SettingsSpec {
  readonly address: Setting<string>;
  readonly metricsAddress: Setting<string | undefined>;
  readonly logLevel: Setting<LogLevel>;
  readonly maxConnectionAgeMs: Setting<number | undefined>;
}

/** The settings of a room named as in the layout, for example `tools`, with the address it listens on by default. */
export function roomSettings(room: string, defaultAddress: string): RoomSettings {
  const prefix = `BACKSIGHT_${room.toUpperCase().replaceAll('-', '_')}`;
  return {
    address: address(`${prefix}_ADDRESS`, 'where it listens; port 0 picks a free one', defaultAddress),
    metricsAddress: maybe(address(`${prefix}_METRICS_ADDRESS`, 'HTTP address of /metrics and /healthz')),
    logLevel: choice(`${prefix}_LOG_LEVEL`, 'how much it says on stderr', logLevels, 'info'),
    maxConnectionAgeMs: maybe(
      integer(
        `${prefix}_MAX_CONNECTION_AGE_MS`,
        'after which callers reconnect, so that they find new replicas',
        1000,
        86_400_000,
      ),
    ),
  };
}

function optional<T>(value: T | undefined): { readonly fallback?: { readonly value: T } } {
  return value === undefined ? {} : { fallback: { value } };
}

function within(value: number, low: number, high: number): number | undefined {
  return value >= low && value <= high ? value : undefined;
}

function unknownVariables(env: Environment, spec: SettingsSpec, prefix: string | undefined): string[] {
  if (prefix === undefined) return [];
  const known = new Set(Object.values(spec).map(({ variable }) => variable));
  return Object.keys(env)
    .filter((name) => name.startsWith(prefix) && !known.has(name))
    .map((name) => `${name} is no setting of this room; it reads ${[...known].sort().join(', ')}`);
}
