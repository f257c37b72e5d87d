/** The command line of a room: `--help`, and flags for the few settings that have one. */
import { parseArgs } from 'node:util';
import { type Environment, type Setting, SettingsError, type SettingsSpec } from './settings.js';

/** What the command line of a room offers. */
export interface CommandLine {
  /** What the room serves, in one sentence. */
  readonly about: string;
  readonly settings: SettingsSpec;
  /** Flags and the settings that they stand for, for example `{ follow: 'BACKSIGHT_POLICY_FOLLOW' }`. */
  readonly flags?: Readonly<Record<string, string>>;
}

/** Whether the arguments ask for help. */
export function asksForHelp(args: readonly string[]): boolean {
  return args.includes('--help') || args.includes('-h');
}

/** The environment, with what flags say in the place of what it says. Throws SettingsError for every other argument. */
export function withFlags(
  environment: Environment,
  args: readonly string[],
  flags: Readonly<Record<string, string>> = {},
): Environment {
  const options = Object.fromEntries(Object.keys(flags).map((flag) => [flag, { type: 'string' as const }]));
  const { tokens } = parseArgs({
    args: [...args],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const problems: string[] = [];
  const said: Record<string, string> = {};
  for (const token of tokens) {
    if (token.kind === 'option-terminator') continue;
    const variable = token.kind === 'option' ? flags[token.name] : undefined;
    const value = token.value ?? '';
    if (token.kind === 'positional') problems.push(unknown(token.value, flags));
    else if (variable === undefined) problems.push(unknown(token.rawName, flags));
    else if (value === '') problems.push(`${token.rawName} takes a value: ${token.rawName}=...`);
    else said[variable] = value;
  }
  if (problems.length > 0) throw new SettingsError(problems);
  return { ...environment, ...said };
}

function unknown(argument: string, flags: Readonly<Record<string, string>>): string {
  const known = [...Object.keys(flags).map((flag) => `--${flag}=...`), '--help'];
  return `${argument} is no flag of this room; ${known.join(' and ')} ${known.length > 1 ? 'are' : 'is'}`;
}

/** What `--help` prints. */
export function usage(name: string, { about, settings, flags = {} }: CommandLine): string {
  const options = [
    ...Object.entries(flags).map(([flag, variable]) => [`--${flag}=...`, `in place of ${variable}`] as const),
    ['-h, --help', 'prints this'] as const,
  ];
  const width = Math.max(...options.map(([option]) => option.length));
  return [
    `${name}: ${about}`,
    '',
    ...options.map(([option, meaning]) => `  ${option.padEnd(width)}  ${meaning}`),
    '',
    'Settings, as environment variables:',
    ...Object.values(settings).flatMap(linesOf),
    '',
  ].join('\n');
}

function linesOf(setting: Setting<unknown>): string[] {
  const { variable, about, expected, fallback } = setting;
  const value = [
    ...(about === expected ? [] : [expected]),
    ...(fallback === undefined ? ['required'] : defaultOf(fallback.value)),
  ];
  return [`  ${variable}`, `      ${about}`, ...(value.length === 0 ? [] : [`      ${value.join('; ')}`])];
}

/** What an unset variable comes to, where a word says it. */
function defaultOf(value: unknown): string[] {
  const text: unknown = Array.isArray(value) ? value.join(',') : value;
  const tells = (typeof text === 'string' && text !== '') || typeof text === 'number';
  return tells ? [`default ${text}`] : [];
}
