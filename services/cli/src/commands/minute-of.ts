/** A time as lists show it, in UTC: `2026-11-23 18:04`. */
export const minuteOf = (milliseconds: number): string =>
  new Date(milliseconds).toISOString().slice(0, 16).replace('T', ' ');
