/** A call of the fake API, by what a Role would have to allow. */
import type { IncomingMessage } from 'node:http';

/** A call as the cluster sees it. */
export interface SeenCall {
  readonly verb: string;
  readonly resource: string;
  readonly name: string;
}

/** Reads the head of a call. */
export function readCall(request: IncomingMessage): SeenCall {
  const url = new URL(request.url ?? '', 'http://cluster');
  const [, name = '', sub] = /\/pods(?:\/([^/]+))?(\/exec)?$/.exec(url.pathname) ?? [];
  const resource = sub === undefined ? 'pods' : 'pods/exec';
  const watching = url.searchParams.get('watch') === 'true';
  const reading = name === '' ? (watching ? 'watch' : 'list') : 'get';
  const verbs: Readonly<Record<string, string>> = { POST: 'create', DELETE: 'delete', GET: reading };
  return { verb: verbs[request.method ?? ''] ?? 'patch', resource, name };
}
