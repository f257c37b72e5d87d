/** Serves the OpenAI-compatible face of the policy over HTTP. */
import { randomUUID } from 'node:crypto';
import { formatAddress, listenProblem, parseAddress, type Logger } from '@backsight/rpc';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { EventStream } from './event-stream.js';
import { admit, answerStreaming, answerWhole, asOpenAiError, type FaceOptions } from './face.js';
import { OpenAiError } from './openai-error.js';
import { prepareChat, prepareCompletion, type PreparedRequest, type Served } from './prepare.js';

/** Largest request body, in bytes. */
const bodyLimit = 16 * 2 ** 20;

/** Longest time a request may take to arrive, in milliseconds. */
const requestTimeout = 120_000;

/** The status that is counted when the client has gone before the end of its answer. */
const clientGone = 499;

/** A running server. */
export interface OpenAiServer {
  /** `host:port`, with the port it got. */
  readonly address: string;
  /** Takes no new requests, waits for those in flight for at most `graceMs`, then ends them. */
  shutdown(graceMs: number): Promise<void>;
}

/** Starts serving `/v1/models`, `/v1/chat/completions` and `/v1/completions` at `host:port`; port 0 picks a free one. */
export async function serveOpenAi(
  address: string,
  options: FaceOptions & { readonly logger: Logger },
): Promise<OpenAiServer> {
  const inFlight = new Set<AbortController>();
  const app = fastify({
    bodyLimit,
    requestTimeout,
    forceCloseConnections: 'idle',
    requestIdHeader: 'x-request-id',
    genReqId: () => randomUUID(),
  });
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id);
    reply.raw.once('close', () => {
      const { id, routeOptions } = request;
      const route = routeOptions.url ?? 'none';
      const status = reply.raw.writableFinished ? reply.statusCode : clientGone;
      options.metrics.answered(route, status);
      options.logger.debug(
        { route, status, seconds: reply.elapsedTime / 1000, requestId: id },
        'request ended',
      );
    });
    done();
  });
  handleErrors(app, options.logger);
  routeModels(app, options);
  const post = (path: string, prepare: (body: unknown, served: Served) => PreparedRequest) =>
    app.post(path, (request, reply) => {
      const { engine, renderer } = options;
      const prepared = prepare(request.body, { card: engine.card, renderer, version: engine.version });
      return answer(prepared, request, reply, options, inFlight);
    });
  post('/v1/chat/completions', prepareChat);
  post('/v1/completions', prepareCompletion);
  const { host, port } = parseAddress(address);
  await app.listen({ host, port }).catch((error: unknown) => {
    throw listenProblem(address, error);
  });
  const bound = app.server.address();
  return {
    address: formatAddress(host, typeof bound === 'object' && bound !== null ? bound.port : port),
    shutdown: async (graceMs) => {
      const overdue = setTimeout(() => {
        for (const each of inFlight) each.abort();
      }, graceMs);
      // A connection that stays open after its last answer would be waited for.
      const idle = setInterval(() => {
        app.server.closeIdleConnections();
      }, 20);
      await app.close();
      clearInterval(idle);
      clearTimeout(overdue);
    },
  };
}

async function answer(
  prepared: PreparedRequest,
  request: FastifyRequest,
  reply: FastifyReply,
  options: FaceOptions & { readonly logger: Logger },
  inFlight: Set<AbortController>,
): Promise<unknown> {
  const leave = admit(prepared, options);
  const ending = new AbortController();
  inFlight.add(ending);
  // It closes when the answer has been sent, too, when there is nothing left to end.
  const closed = () => {
    inFlight.delete(ending);
    ending.abort();
  };
  if (reply.raw.destroyed) closed();
  else reply.raw.once('close', closed);
  const { signal } = ending;
  if (!prepared.stream) {
    try {
      return await answerWhole(prepared, options, signal);
    } finally {
      leave();
    }
  }
  const events = new EventStream();
  const failed = (error: unknown) => told(error, request, options.logger);
  void answerStreaming(prepared, options, signal, events, failed).finally(leave);
  return reply
    .headers({ 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' })
    .send(events.readable);
}

function routeModels(app: FastifyInstance, { engine }: FaceOptions): void {
  const created = Math.floor(Date.now() / 1000);
  const model = () => ({
    id: engine.card.model,
    object: 'model',
    created,
    owned_by: 'backsight',
    context_window: engine.card.contextWindow,
    policy_version: engine.version,
  });
  app.get('/v1/models', () => ({ object: 'list', data: [model()] }));
  app.get<{ Params: { id: string } }>('/v1/models/:id', ({ params: { id } }) => {
    if (id === engine.card.model) return model();
    throw new OpenAiError(404, `There is no model ${JSON.stringify(id)} here.`, {
      param: 'model',
      code: 'model_not_found',
    });
  });
}

function handleErrors(app: FastifyInstance, logger: Logger): void {
  app.setNotFoundHandler(({ method, url }, reply) =>
    reply
      .status(404)
      .send(new OpenAiError(404, `There is no ${method} ${url} here.`, { code: 'unknown_url' }).toBody()),
  );
  app.setErrorHandler((error, request, reply) => {
    // Of a client that left before the first byte its answer's stream says so; nobody is there to be told.
    if (reply.raw.destroyed && isPrematureClose(error)) return;
    const failure = told(error, request, logger);
    return reply.status(failure.status).headers(failure.headers()).send(failure.toBody());
  });
}

function isPrematureClose(error: unknown): boolean {
  return (
    typeof error === 'object' &&
    error !== null &&
    'code' in error &&
    error.code === 'ERR_STREAM_PREMATURE_CLOSE'
  );
}

/** What the client is told of an error; a bug is logged with its cause, and told without. */
function told(error: unknown, request: FastifyRequest, logger: Logger): OpenAiError {
  const known = asOpenAiError(error) ?? refusedByServer(error);
  if (known !== undefined) return known;
  logger.error({ err: error, requestId: request.id, url: request.url }, 'request failed');
  const message = `The policy failed unexpectedly; its log tells why under request id ${request.id}.`;
  return new OpenAiError(500, message, { type: 'server_error', code: 'internal_error' });
}

/** What the HTTP library refuses before a route sees it: a body that is too large, or no JSON. */
function refusedByServer(error: unknown): OpenAiError | undefined {
  if (!(error instanceof Error) || !('statusCode' in error)) return undefined;
  const { statusCode } = error;
  if (typeof statusCode !== 'number' || statusCode < 400 || statusCode >= 500) return undefined;
  return new OpenAiError(statusCode, advice[statusCode] ?? error.message, { code: 'invalid_request' });
}

/** What the HTTP library says too little of, by status. */
const advice: Readonly<Record<number, string>> = {
  413: `The body has more than ${bodyLimit} bytes, the most that is read.`,
  415: 'The body must be JSON, sent with content-type: application/json.',
};
