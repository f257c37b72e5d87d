/** A command inside a pod, its streams carried by the exec subresource over a WebSocket (channel protocols v4 and v5). */
import { Readable, Writable } from 'node:stream';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { ApiError, refusal, unreachable } from './api-error.js';
import { patiently } from './patience.js';
import { type PodApi, textOf } from './pod-api.js';

/** A command that runs in a pod. */
export interface PodExec {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** How it ended, or that it cannot be reached any more; never rejects. */
  readonly ended: Promise<ExecEnd>;
  /** Whether that has happened: true before its streams end. */
  readonly over: boolean;
  /** Lets go of it at once; what becomes of the command is the pod's affair. */
  drop(): void;
}

/** The end of a command. */
export type ExecEnd =
  | { readonly kind: 'exited'; readonly code: number }
  /** It could not be started, or the connection broke; the message is a phrase for people. */
  | { readonly kind: 'lost'; readonly why: string };

/** The newest first: v5 can close standard input (Kubernetes 1.30), v4 cannot. */
const protocols = ['v5.channel.k8s.io', 'v4.channel.k8s.io'];
/** First byte of every message; `close` is followed by the channel that ends. */
const channel = { stdin: 0, stdout: 1, stderr: 2, error: 3, close: 255 } as const;
/** Pieces of standard input, in bytes: what API servers of every version take at once. */
const pieceBytes = 32 << 10;
/** A peer that leaves a ping unanswered for so long is gone, in milliseconds. */
const silenceMs = 20_000;
const handshakeMs = 20_000;

const endStatus = z.object({
  status: z.string(),
  reason: z.string().default(''),
  message: z.string().default(''),
  details: z
    .object({ causes: z.array(z.object({ reason: z.string(), message: z.string() })).default([]) })
    .default({ causes: [] }),
});

/** Starts a command in a running pod. Throws ApiError, or the signal's reason. */
export async function execInPod(
  api: PodApi,
  pod: string,
  container: string,
  command: readonly string[],
  signal: AbortSignal,
): Promise<PodExec> {
  const query = new URLSearchParams({
    container,
    stdin: 'true',
    stdout: 'true',
    stderr: 'true',
    tty: 'false',
  });
  for (const word of command) query.append('command', word);
  const url = api.url(`/${encodeURIComponent(pod)}/exec?${query.toString()}`);
  url.protocol = url.protocol === 'http:' ? 'ws:' : 'wss:';
  return carry(await patiently(signal, () => shakeHands(api, url, signal)));
}

async function shakeHands(api: PodApi, url: URL, signal: AbortSignal): Promise<WebSocket> {
  // The upgrade is a GET, which Kubernetes before 1.35 takes for the verb.
  const call = api.call('get', 'pods/exec');
  const headers = await api.headers();
  signal.throwIfAborted();
  const socket = new WebSocket(url, protocols, {
    headers,
    handshakeTimeout: handshakeMs,
    perMessageDeflate: false,
    ...api.access.tls,
  });
  const abort = (): void => {
    socket.terminate();
  };
  signal.addEventListener('abort', abort);
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', (error) => {
        reject(unreachable(call, api.access.server, error));
      });
      socket.once('unexpected-response', (request, response) => {
        textOf(response)
          .then((body) => refusal(call, response.statusCode ?? 0, body, response.headers['retry-after']))
          .catch((error: unknown) => unreachable(call, api.access.server, error))
          .then(reject, reject)
          .finally(() => request.destroy());
      });
    });
    if (!protocols.includes(socket.protocol))
      throw new ApiError(
        `Kubernetes speaks ${socket.protocol || 'no protocol'} to ${call.resource}`,
        501,
        undefined,
      );
    return socket;
  } catch (error) {
    socket.on('error', () => undefined);
    socket.terminate();
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** The streams of an open socket. */
function carry(socket: WebSocket): PodExec {
  const resume = (): void => {
    socket.resume();
  };
  const stdout = new Readable({ read: resume });
  const stderr = new Readable({ read: resume });
  const stdin = new Writable({
    write(chunk: Buffer, _encoding, done) {
      send(socket, chunk).then(() => {
        done();
      }, done);
    },
    final(done) {
      // v4 has no word for it: there, the command goes on waiting until it is dropped.
      if (socket.protocol === protocols[0]) socket.send(Buffer.from([channel.close, channel.stdin]));
      done();
    },
  });
  stdin.on('error', () => undefined); // the end of the socket tells

  let end: ExecEnd | undefined;
  socket.on('message', (data) => {
    const message = Buffer.isBuffer(data) ? data : Buffer.alloc(0);
    const body = message.subarray(1);
    const [to] = message;
    if (to === channel.error) end = readEnd(body);
    const output = to === channel.stdout ? stdout : to === channel.stderr ? stderr : undefined;
    if (output?.push(body) === false) socket.pause();
  });
  const stopPinging = keepAlive(socket);
  let over = false;
  const ended = new Promise<ExecEnd>((resolve) => {
    let trouble = '';
    socket.on('error', (error) => {
      trouble = error.message;
    });
    socket.once('close', (code) => {
      over = true;
      stopPinging();
      stdout.push(null);
      stderr.push(null);
      stdin.destroy();
      resolve(
        end ?? { kind: 'lost', why: `the connection to it was cut (${trouble === '' ? code : trouble})` },
      );
    });
  });
  return {
    stdin,
    stdout,
    stderr,
    ended,
    get over() {
      return over;
    },
    drop: () => {
      socket.terminate();
    },
  };
}

/** Sends bytes to standard input, piece by piece, each when the last is on its way. */
async function send(socket: WebSocket, bytes: Buffer): Promise<void> {
  for (let start = 0; start < bytes.length; start += pieceBytes) {
    const piece = Buffer.concat([Buffer.from([channel.stdin]), bytes.subarray(start, start + pieceBytes)]);
    await new Promise<void>((resolve, reject) => {
      socket.send(piece, (error) => {
        if (error instanceof Error) reject(error);
        else resolve();
      });
    });
  }
}

function readEnd(body: Buffer): ExecEnd {
  const told = parseEnd(body);
  if (told?.status === 'Success') return { kind: 'exited', code: 0 };
  const code = told?.details.causes.find(({ reason }) => reason === 'ExitCode')?.message;
  if (told?.reason === 'NonZeroExitCode' && code !== undefined) return { kind: 'exited', code: Number(code) };
  return { kind: 'lost', why: told?.message ?? body.toString() };
}

function parseEnd(body: Buffer): z.infer<typeof endStatus> | undefined {
  try {
    return endStatus.safeParse(JSON.parse(body.toString())).data;
  } catch {
    return undefined;
  }
}

/** Pings until stopped, so that idle connections stay and dead ones are noticed. */
function keepAlive(socket: WebSocket): () => void {
  let answered = true;
  socket.on('pong', () => {
    answered = true;
  });
  const timer = setInterval(() => {
    if (socket.isPaused) return; // nobody reads, so no answer would be seen
    if (!answered) {
      socket.terminate();
      return;
    }
    answered = false;
    socket.ping();
  }, silenceMs);
  timer.unref();
  return () => {
    clearInterval(timer);
  };
}
