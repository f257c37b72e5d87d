/** The answers of the fake API, the wrong ones among them. */
import { type ServerResponse, STATUS_CODES } from 'node:http';

/** An answer in place of the right one; `cut` closes the connection without one, `lost` does so after all is done. */
export type Misfortune =
  'cut' | 'lost' | { readonly status: number; readonly message: string; readonly retryAfterSeconds?: number };

/** Answers with an object. */
export function reply(response: ServerResponse, status: number, body: object, headers = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

/** Answers with a Status that says why not. */
export function refuse(
  response: ServerResponse,
  status: number,
  message: string,
  retryAfterSeconds?: number,
): void {
  const headers = retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) };
  reply(response, status, statusObject(status, message), headers);
}

/** The same as bytes, for a connection that asked to be upgraded. */
export function rawRefusal({ status, message }: Exclude<Misfortune, string>): string {
  const body = JSON.stringify(statusObject(status, message));
  return (
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\ncontent-type: application/json\r\n` +
    `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`
  );
}

function statusObject(code: number, message: string): object {
  return { kind: 'Status', apiVersion: 'v1', status: 'Failure', message, code };
}
