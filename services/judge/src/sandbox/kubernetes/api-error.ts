/** What the Kubernetes API answers when it does not do as asked, or that it does not answer. */
import { z } from 'zod';

/** A call of the API, to name in messages: `create pods/exec`. */
export interface ApiCall {
  /** As a Role names it. */
  readonly verb: 'create' | 'get' | 'list' | 'watch' | 'delete';
  /** As a Role names it. */
  readonly resource: 'pods' | 'pods/exec';
  readonly namespace: string;
}

/** A refusal of the API server, or a failure to reach it; the message is one sentence for people. */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  /**
   * @param status The HTTP status; undefined when the server was not reached.
   * @param retryAfterMs After how long the server asks to be asked again, in milliseconds.
   */
  constructor(
    message: string,
    readonly status: number | undefined,
    readonly retryAfterMs: number | undefined,
    options: ErrorOptions = {},
  ) {
    super(message, options);
  }

  /** Whether the same call may well succeed a moment later. */
  get passes(): boolean {
    const { status } = this;
    // 409: two calls met at one object, such as the quota that both count against.
    return status === undefined || status === 409 || status === 429 || (status >= 500 && status !== 501);
  }
}

const statusObject = z.object({
  kind: z.literal('Status'),
  message: z.string().default(''),
  reason: z.string().default(''),
  details: z.object({ retryAfterSeconds: z.number().optional() }).optional(),
});

/** The error that an answer with this status and body stands for. */
export function refusal(call: ApiCall, status: number, body: string, retryAfter?: string): ApiError {
  const told = parseStatus(body);
  const said = told?.message ?? body.trim().slice(0, 300);
  const seconds = Number(retryAfter ?? told?.details?.retryAfterSeconds ?? Number.NaN);
  return new ApiError(
    sentence(call, status, said),
    status,
    Number.isFinite(seconds) ? seconds * 1000 : undefined,
  );
}

/** The error of a server that cannot be reached. */
export function unreachable(call: ApiCall, server: URL, cause: unknown): ApiError {
  const code =
    typeof cause === 'object' && cause !== null && 'code' in cause ? String(cause.code) : String(cause);
  return new ApiError(
    `The Kubernetes API at ${server.origin} cannot be reached to ${words(call)} (${code})`,
    undefined,
    undefined,
    { cause },
  );
}

function sentence(call: ApiCall, status: number, said: string): string {
  const asked = `${words(call)} in namespace ${call.namespace}`;
  if (status === 401)
    return `Kubernetes does not know who asks to ${asked} (401): the judge’s token is wrong or has expired`;
  // As the RBAC authorizer words it; quotas and admission refuse with the same status.
  const [, verb, resource] = / cannot (\w+) resource "([^"]+)"/.exec(said) ?? [];
  if (status === 403 && verb !== undefined && resource !== undefined) {
    return (
      `The judge may not ${verb} ${resource} in namespace ${call.namespace} (403): its Role there must allow ` +
      `the verb "${verb}" on "${resource}". Kubernetes says: ${said}`
    );
  }
  return `Kubernetes refuses to ${asked} (${status}): ${said}`;
}

function words({ verb, resource }: ApiCall): string {
  return `${verb} ${resource}`;
}

function parseStatus(body: string): z.infer<typeof statusObject> | undefined {
  try {
    return statusObject.safeParse(JSON.parse(body)).data;
  } catch {
    return undefined;
  }
}
