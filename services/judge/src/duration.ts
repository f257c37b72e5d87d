/** Durations of the wire and milliseconds. */

/** As google.protobuf.Duration. */
export interface Duration {
  readonly seconds: number;
  readonly nanos: number;
}

/** In milliseconds; undefined when unset. */
export function toMs(duration: Duration | undefined): number | undefined {
  return duration === undefined ? undefined : duration.seconds * 1000 + duration.nanos / 1e6;
}

/** From milliseconds, to the nanosecond. */
export function toDuration(ms: number): Duration {
  const total = Math.round(ms * 1e6);
  const seconds = Math.floor(total / 1e9);
  return { seconds, nanos: total - seconds * 1e9 };
}
