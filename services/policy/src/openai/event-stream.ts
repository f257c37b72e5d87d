/** An answer as server-sent events, as streaming clients of the OpenAI API read them. */
import { PassThrough, type Readable } from 'node:stream';

/** How often a silent stream says that it is alive, in milliseconds; a policy that trains may write nothing for minutes. */
const heartbeatMs = 10_000;

/** Bytes that a client may leave unread before it is given up. */
const maxUnreadBytes = 32 * 2 ** 20;

/** A stream of events: what it holds is for the client to read; one that does not is cut off, as if it had gone. */
export class EventStream {
  private readonly bytes = new PassThrough();
  private readonly heartbeat = setInterval(() => this.bytes.write(': waiting\n\n'), heartbeatMs);

  get readable(): Readable {
    return this.bytes;
  }

  /** One event. */
  send(chunk: object): void {
    this.heartbeat.refresh();
    this.bytes.write(`data: ${JSON.stringify(chunk)}\n\n`);
    if (this.bytes.writableLength + this.bytes.readableLength > maxUnreadBytes)
      this.bytes.destroy(new Error(`the client has left ${maxUnreadBytes} bytes unread`));
  }

  /** The end of an answer that is whole. */
  end(): void {
    clearInterval(this.heartbeat);
    this.bytes.end('data: [DONE]\n\n');
  }

  /** The end of an answer that failed half-way: an event with the error, and no mark that it is whole. */
  fail(body: object): void {
    this.send(body);
    clearInterval(this.heartbeat);
    this.bytes.end();
  }
}
