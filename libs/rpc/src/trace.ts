/** Trace context (W3C Trace Context, level 1): which call, in which room, a call came from. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import { type ClientMiddleware, Metadata, type ServerMiddleware } from 'nice-grpc';

/** The metadata key that carries it from caller to callee. */
const traceparentKey = 'traceparent';

/** One span of a trace: a call as the room that answers it sees it, or a piece of work that calls rooms. */
export interface Trace {
  /** 32 hexadecimal digits, the same for all that one cause brings about. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
  /** Two hexadecimal digits; 01 asks whoever keeps traces to keep this one. */
  readonly flags: string;
}

const current = new AsyncLocalStorage<Trace>();

/** The trace that this code runs in. */
export const currentTrace = (): Trace | undefined => current.getStore();

/** Runs `work` in a trace: calls that it makes carry it on. */
export const inTrace = <T>(trace: Trace, work: () => T): T => current.run(trace, work);

/** A new span: of the same trace as its parent, or of a trace that begins here. */
export function newTrace(parent?: Trace): Trace {
  const spanId = randomBytes(8).toString('hex');
  return {
    traceId: parent?.traceId ?? randomBytes(16).toString('hex'),
    spanId,
    flags: parent?.flags ?? '01',
  };
}

/** What a log line says of the trace that it is written in. */
export function traceFields(): { readonly traceId?: string; readonly spanId?: string } {
  const trace = currentTrace();
  return trace === undefined ? {} : { traceId: trace.traceId, spanId: trace.spanId };
}

/** `00-<trace id>-<span id>-<flags>`. */
const formatTraceparent = ({ traceId, spanId, flags }: Trace): string => `00-${traceId}-${spanId}-${flags}`;

/** The caller's span, from a traceparent of any version; undefined when there is none or it is malformed. */
function readTraceparent(metadata: Metadata): Trace | undefined {
  const match = /^(?!ff)[\da-f]{2}-(?!0{32})([\da-f]{32})-(?!0{16})([\da-f]{16})-([\da-f]{2})(?:-.*)?$/.exec(
    metadata.get(traceparentKey) ?? '',
  );
  const [, traceId, spanId, flags] = match ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  return { traceId, spanId, flags };
}

/** Server middleware: a call runs in a span of its caller's trace, from its first step to its last. */
export const followTrace: ServerMiddleware = async function* follow(call, context) {
  const trace = newTrace(readTraceparent(context.metadata));
  const steps = call.next(call.request, context);
  const work: AsyncIterator<unknown, unknown, undefined> = steps;
  try {
    for (;;) {
      const step = await inTrace(trace, () => steps.next());
      if (step.done === true) return step.value;
      yield step.value;
    }
  } finally {
    // Who stops reading ends the work; work that has ended takes no notice.
    await inTrace(trace, () => work.return?.());
  }
};

/** Client middleware: calls carry the trace that they are made in. */
export const carryTrace: ClientMiddleware = async function* carry(call, options) {
  const trace = currentTrace();
  if (trace === undefined) return yield* call.next(call.request, options);
  const metadata = Metadata(options.metadata).set(traceparentKey, formatTraceparent(trace));
  return yield* call.next(call.request, { ...options, metadata });
};
