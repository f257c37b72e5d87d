/** The policy behind the OpenAI API: answers prepared requests with the engine, within the room's limits. */
import type { Engine } from '@backsight/engine';
import { isAbort } from '@backsight/rpc';
import { BusyError, type Admissions } from '../admission.js';
import type { PolicyMetrics } from '../policy-metrics.js';
import { NotYetFollowingError, type Follower } from '../weights/follower.js';
import { echoPrompts } from './echo.js';
import type { EventStream } from './event-stream.js';
import { OpenAiError } from './openai-error.js';
import type { PreparedRequest, Served } from './prepare.js';
import { sampleTexts, type TextChoice, type TextListener } from './sample-texts.js';

/** What the face stands on. */
export interface FaceOptions extends Omit<Served, 'version' | 'card'> {
  readonly engine: Engine;
  /** Shared with the gRPC service: both draw on the same slots. */
  readonly admissions: Admissions;
  readonly metrics: PolicyMetrics;
  /** The trainer whose weights this policy follows; absent: it trains its own. */
  readonly follower: Pick<Follower, 'requireWeights'> | undefined;
}

/** Leaves what was admitted. */
export type Leave = () => void;

/** Takes a request in; throws when the room is full or has no weights yet. Whoever is let in must leave. */
export function admit({ job, echo }: PreparedRequest, { admissions, follower }: FaceOptions): Leave {
  follower?.requireWeights();
  const { completions, scoreCalls } = admissions;
  const leaves: Leave[] = [];
  const leave = () => {
    for (const each of leaves) each();
  };
  try {
    leaves.push(completions.enter(job.prompts.length * job.n));
    if (echo?.scored !== undefined) leaves.push(scoreCalls.enter());
    return leave;
  } catch (error) {
    leave();
    throw error;
  }
}

/** The whole answer. */
export async function answerWhole(
  request: PreparedRequest,
  options: FaceOptions,
  signal: AbortSignal,
): Promise<object> {
  return request.answer.whole(await sample(request, options, signal));
}

/** Writes the answer to a stream as it is sampled; what fails half-way is written too. */
export async function answerStreaming(
  request: PreparedRequest,
  options: FaceOptions,
  signal: AbortSignal,
  events: EventStream,
  onFailure: (error: unknown) => OpenAiError,
): Promise<void> {
  const { answer, withUsage } = request;
  try {
    for (const chunk of answer.opening()) events.send(chunk);
    const choices = await sample(request, options, signal, {
      piece: (choice, piece, version) => {
        events.send(answer.piece(choice, piece, version));
      },
      end: (choice, ended) => {
        events.send(answer.ending(choice, ended));
      },
    });
    if (withUsage) events.send(answer.usage(choices));
    events.end();
  } catch (error) {
    events.fail(onFailure(error).toBody());
  }
}

/** An error as the client reads it; anything unexpected is undefined, to be logged and told as a bug. */
export function asOpenAiError(error: unknown): OpenAiError | undefined {
  if (error instanceof OpenAiError) return error;
  if (error instanceof BusyError)
    return new OpenAiError(429, `${error.message}; try again later`, {
      type: 'rate_limit_error',
      code: 'slots_exhausted',
      retryAfterMs: error.retryAfterMs,
    });
  if (error instanceof NotYetFollowingError)
    return new OpenAiError(503, error.message, {
      type: 'server_error',
      code: 'no_weights_yet',
      retryAfterMs: error.retryAfterMs,
    });
  if (isAbort(error))
    return new OpenAiError(503, 'The policy is shutting down.', {
      type: 'server_error',
      code: 'shutting_down',
      retryAfterMs: 1000,
    });
  return undefined;
}

async function sample(
  { job, echo }: PreparedRequest,
  { engine, renderer, metrics }: FaceOptions,
  signal: AbortSignal,
  listener?: TextListener,
): Promise<readonly TextChoice[]> {
  const echoes = echo && (await echoPrompts(engine, renderer, job.prompts, echo.scored, signal));
  const choices = await sampleTexts(
    engine,
    renderer,
    { ...job, ...(echoes && { echoes }) },
    signal,
    listener,
  );
  for (const { finishReason, sampledTokens } of choices) metrics.sampled(sampledTokens, finishReason);
  return choices;
}
