/** The server's side of the exec subresource: a process on one end, a WebSocket of channels on the other. */
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import type { Readable } from 'node:stream';
import type { WebSocket } from 'ws';

const channel = { stdin: 0, stdout: 1, stderr: 2, error: 3, close: 255 } as const;
/** Output waits beyond so many bytes that the client has not taken. */
const mostBuffered = 1 << 20;

/** Carries until one of the two ends; a process whose client is gone reads the end of its input. */
export function serveExec(socket: WebSocket, child: ChildProcessWithoutNullStreams): void {
  const closesInput = socket.protocol === 'v5.channel.k8s.io';
  socket.on('error', () => undefined);
  socket.on('message', (data) => {
    const message = Buffer.isBuffer(data) ? data : Buffer.alloc(0);
    if (message[0] === channel.stdin) {
      if (child.stdin.write(message.subarray(1))) return;
      socket.pause();
      child.stdin.once('drain', () => {
        socket.resume();
      });
    } else if (closesInput && message[0] === channel.close && message[1] === channel.stdin) child.stdin.end();
  });
  socket.once('close', () => {
    child.stdin.end();
  });
  forward(child.stdout, socket, channel.stdout);
  forward(child.stderr, socket, channel.stderr);
  let code = 0;
  child.once('error', (error: NodeJS.ErrnoException) => {
    code = error.code === 'ENOENT' ? 127 : 126;
  });
  child.once('exit', (exit) => {
    code ||= exit ?? 137;
  });
  child.once('close', () => {
    socket.send(Buffer.concat([Buffer.from([channel.error]), Buffer.from(JSON.stringify(statusOf(code)))]));
    socket.close(1000);
  });
}

function forward(stream: Readable, socket: WebSocket, to: number): void {
  stream.on('data', (chunk: Buffer) => {
    socket.send(Buffer.concat([Buffer.from([to]), chunk]), () => {
      if (socket.bufferedAmount < mostBuffered) stream.resume();
    });
    if (socket.bufferedAmount >= mostBuffered) stream.pause();
  });
}

function statusOf(code: number): object {
  if (code === 0) return { metadata: {}, status: 'Success' };
  return {
    metadata: {},
    status: 'Failure',
    reason: 'NonZeroExitCode',
    message: `command terminated with non-zero exit code: exit status ${code}`,
    details: { causes: [{ reason: 'ExitCode', message: String(code) }] },
  };
}
