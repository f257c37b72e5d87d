/**
 * Formats a calendar date as Python's strftime does, in English and at midnight UTC.
 *
 * Chat templates call `strftime_now` to put today's date into the system prompt. A prompt that changes at midnight would
 * make a run unrepeatable, so the renderer answers with one fixed day instead.
 */
export function formatDate(day: Date, format: string): string {
  return format.replace(
    /%(-?[a-zA-Z%])/g,
    (directive, letter: string) => DIRECTIVES[letter]?.(day) ?? directive,
  );
}

const two = (value: number): string => String(value).padStart(2, '0');
const named = (day: Date, options: Intl.DateTimeFormatOptions): string =>
  new Intl.DateTimeFormat('en-US', { ...options, timeZone: 'UTC' }).format(day);

const DIRECTIVES: Readonly<Record<string, ((day: Date) => string) | undefined>> = {
  '%': () => '%',
  Y: (day) => String(day.getUTCFullYear()),
  y: (day) => two(day.getUTCFullYear() % 100),
  m: (day) => two(day.getUTCMonth() + 1),
  d: (day) => two(day.getUTCDate()),
  '-m': (day) => String(day.getUTCMonth() + 1),
  '-d': (day) => String(day.getUTCDate()),
  e: (day) => String(day.getUTCDate()).padStart(2),
  B: (day) => named(day, { month: 'long' }),
  b: (day) => named(day, { month: 'short' }),
  A: (day) => named(day, { weekday: 'long' }),
  a: (day) => named(day, { weekday: 'short' }),
  H: () => '00',
  I: () => '12',
  M: () => '00',
  S: () => '00',
  p: () => 'AM',
};
