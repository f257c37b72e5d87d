/** Reads what a program's own process had to say about a run. None of it is believed; it words errors, and holds the result of a call. */
import { z } from 'zod';

/** A report, everything in it optional. */
export interface Report {
  /** What a function returned, as a JSON text. */
  readonly result?: string | undefined;
  /** What it returned, in Python's words, where that is no JSON value. */
  readonly unspeakable?: string | undefined;
  /** Proof that a check came to its end. */
  readonly token?: string | undefined;
  /** The exception it died of. */
  readonly error?: ReportedError | undefined;
}

/** An uncaught exception. */
export interface ReportedError {
  readonly type: string;
  readonly message: string;
  /** Lines of the program on the way, innermost last. */
  readonly lines: readonly number[];
  /** Lines of the check on the way. */
  readonly checkLines: readonly number[];
  readonly stage: 'program' | 'check';
  readonly assertion: boolean;
  readonly memory: boolean;
}

const lines = z.array(z.int().min(1)).max(3);
const shape = z.union([
  z.object({ result: z.string() }),
  z.object({ unspeakable: z.string() }),
  z.object({ token: z.string() }),
  z
    .object({
      type: z.string(),
      message: z.string(),
      lines,
      checkLines: lines,
      stage: z.enum(['program', 'check']),
      assertion: z.boolean(),
      memory: z.boolean(),
    })
    .transform((error) => ({ error })),
]);

/** The report in these bytes; an empty one when they are none. */
export function readReport(bytes: Uint8Array): Report {
  if (bytes.length === 0) return {};
  try {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
    const parsed = shape.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : {};
  } catch {
    return {};
  }
}
