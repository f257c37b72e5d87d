/** What went wrong, in the shape that clients of the OpenAI API read. */

/** A request that is answered with an error; `toBody` is what the client parses. */
export class OpenAiError extends Error {
  override readonly name = 'OpenAiError';

  constructor(
    /** HTTP status. */
    readonly status: number,
    message: string,
    private readonly details: {
      readonly type?: 'invalid_request_error' | 'rate_limit_error' | 'server_error';
      /** Path of the field that is wrong, for example `messages[0].content`. */
      readonly param?: string | undefined;
      /** For programs, for example `context_length_exceeded`. */
      readonly code?: string;
      /** When to try again, in milliseconds. */
      readonly retryAfterMs?: number;
    } = {},
  ) {
    super(message);
  }

  toBody(): object {
    const { type = 'invalid_request_error', param = null, code = null } = this.details;
    return { error: { message: this.message, type, param, code } };
  }

  /** `Retry-After` counts whole seconds; clients that know `retry-after-ms` wait exactly. */
  headers(): Readonly<Record<string, string>> {
    const { retryAfterMs } = this.details;
    if (retryAfterMs === undefined) return {};
    return {
      'retry-after': String(Math.ceil(retryAfterMs / 1000)),
      'retry-after-ms': String(retryAfterMs),
    };
  }
}

/** A field that can never be right: status 400, naming it. */
export function invalidField(param: string, problem: string, code = 'invalid_value'): OpenAiError {
  return new OpenAiError(400, `${param}: ${problem}`, { param, code });
}
