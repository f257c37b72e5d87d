/** The calls of the Kubernetes API that the judge makes: pods created, read, listed, watched and deleted. */
import http from 'node:http';
import https from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { within } from '@backsight/rpc';
import { z } from 'zod';
import { ApiError, type ApiCall, refusal, unreachable } from './api-error.js';
import type { ClusterAccess } from './cluster-access.js';
import { backoff, patiently } from './patience.js';
import { type PodSeen, podSchema } from './pod-seen.js';

/** No answer after so many milliseconds is a failure. */
const answerMs = 20_000;
/** The server ends a watch after so many seconds; it is then begun anew. */
const watchSeconds = 290;

const podList = z.object({ items: z.array(podSchema) });
const watchEvent = z.discriminatedUnion('type', [
  z.object({ type: z.enum(['ADDED', 'MODIFIED', 'DELETED']), object: podSchema }),
  z.object({ type: z.literal('BOOKMARK') }),
  z.object({ type: z.literal('ERROR'), object: z.object({ code: z.number(), message: z.string() }) }),
]);

/** The pods of one namespace. Every call throws ApiError, or the signal's reason. */
export class PodApi {
  private readonly agent: http.Agent;

  constructor(
    readonly access: ClusterAccess,
    readonly namespace: string,
  ) {
    this.agent =
      access.server.protocol === 'http:'
        ? new http.Agent({ keepAlive: true })
        : new https.Agent({ keepAlive: true, ...access.tls });
  }

  /** Creates a pod, which has a name of its own: an answer that was lost is found again by it. */
  async create(pod: { readonly metadata: { readonly name: string } }, signal: AbortSignal): Promise<PodSeen> {
    let lost = false;
    const call = this.call('create');
    return patiently(signal, async () => {
      try {
        return podSchema.parse(await this.ask(call, 'POST', '', signal, pod));
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        if (error.status === 409 && lost) return this.get(pod.metadata.name, signal);
        lost ||= error.status === undefined || error.status >= 500;
        throw error;
      }
    });
  }

  /** Reads a pod. Throws with status 404 where there is none. */
  async get(name: string, signal: AbortSignal): Promise<PodSeen> {
    const call = this.call('get');
    return podSchema.parse(
      await patiently(signal, () => this.ask(call, 'GET', `/${encodeURIComponent(name)}`, signal)),
    );
  }

  /** Those that have these labels. */
  async list(labels: Readonly<Record<string, string>>, signal: AbortSignal): Promise<readonly PodSeen[]> {
    const selector = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
    const query = `?${new URLSearchParams({ labelSelector: selector.join(',') }).toString()}`;
    const call = this.call('list');
    return podList.parse(await patiently(signal, () => this.ask(call, 'GET', query, signal))).items;
  }

  /** Deletes a pod at once, as if it had been pulled out of the wall; one that is gone already is deleted too. */
  async delete(name: string, signal: AbortSignal): Promise<void> {
    const call = this.call('delete');
    const options = {
      kind: 'DeleteOptions',
      apiVersion: 'v1',
      gracePeriodSeconds: 0,
      propagationPolicy: 'Background',
    };
    await patiently(signal, async () => {
      try {
        await this.ask(call, 'DELETE', `/${encodeURIComponent(name)}`, signal, options);
      } catch (error) {
        if (!(error instanceof ApiError && error.status === 404)) throw error;
      }
    });
  }

  /**
   * Follows a pod from a version on, over interruptions, until the signal aborts. Undefined stands for its deletion.
   */
  async *watch(
    name: string,
    from: PodSeen,
    signal: AbortSignal,
  ): AsyncGenerator<PodSeen | undefined, void, void> {
    let version = from.metadata.resourceVersion;
    for (;;) {
      try {
        for await (const event of this.watchOnce(name, version, signal)) {
          if (event.type === 'ERROR') throw new ApiError(event.object.message, event.object.code, undefined);
          if (event.type === 'BOOKMARK') continue;
          version = event.object.metadata.resourceVersion;
          yield event.type === 'DELETED' ? undefined : event.object;
        }
      } catch (error) {
        if (!(error instanceof ApiError) || signal.aborted) throw error;
        // 410: so old a version that the server has forgotten what happened since.
        if (error.status !== 410 && !error.passes) throw error;
      }
      await sleep(backoff(1), undefined, { signal });
      const now = await this.find(name, signal);
      yield now;
      if (now === undefined) return;
      version = now.metadata.resourceVersion;
    }
  }

  /** As `get`, undefined where there is none. */
  async find(name: string, signal: AbortSignal): Promise<PodSeen | undefined> {
    try {
      return await this.get(name, signal);
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined;
      throw error;
    }
  }

  /** Lets go of idle connections. */
  close(): void {
    this.agent.destroy();
  }

  /** Headers of every call. */
  async headers(): Promise<Record<string, string>> {
    const token = await this.access.token();
    return token === undefined ? {} : { authorization: `Bearer ${token}` };
  }

  /** A call as it is named in messages. */
  call(verb: ApiCall['verb'], resource: ApiCall['resource'] = 'pods'): ApiCall {
    return { verb, resource, namespace: this.namespace };
  }

  /** The address of the pods, or of what `rest` names below them. */
  url(rest: string): URL {
    const { server } = this.access;
    const base = server.href.replace(/\/$/, '');
    return new URL(`${base}/api/v1/namespaces/${encodeURIComponent(this.namespace)}/pods${rest}`);
  }

  private async *watchOnce(
    name: string,
    version: string,
    signal: AbortSignal,
  ): AsyncGenerator<z.infer<typeof watchEvent>, void, void> {
    const query = new URLSearchParams({
      watch: 'true',
      fieldSelector: `metadata.name=${name}`,
      resourceVersion: version,
      timeoutSeconds: String(watchSeconds),
    });
    const call = this.call('watch');
    const response = await this.open(call, 'GET', `?${query.toString()}`, signal);
    try {
      for await (const line of jsonLines(response)) yield watchEvent.parse(line);
    } catch (error) {
      if (signal.aborted || error instanceof z.ZodError) throw error;
      throw unreachable(call, this.access.server, error);
    } finally {
      response.destroy();
    }
  }

  /** One call and its whole answer. */
  private async ask(
    call: ApiCall,
    method: string,
    rest: string,
    signal: AbortSignal,
    body?: object,
  ): Promise<unknown> {
    const prompt = within(signal, answerMs);
    try {
      const response = await this.open(call, method, rest, prompt.signal, body);
      return JSON.parse(await textOf(response));
    } catch (error) {
      if (error instanceof ApiError) throw error;
      signal.throwIfAborted();
      const late = prompt.signal.aborted;
      throw unreachable(call, this.access.server, late ? `no answer in ${answerMs / 1000} s` : error);
    } finally {
      prompt.stop();
    }
  }

  /** Sends a call; the answer once its head is here, if it is no refusal. */
  private async open(
    call: ApiCall,
    method: string,
    rest: string,
    signal: AbortSignal,
    body?: object,
  ): Promise<http.IncomingMessage> {
    const sent = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const headers = {
      accept: 'application/json',
      'user-agent': 'backsight-judge',
      ...(sent === undefined ? {} : { 'content-type': 'application/json', 'content-length': sent.length }),
      ...(await this.headers()),
    };
    const url = this.url(rest);
    const send = url.protocol === 'http:' ? http.request : https.request;
    const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
      const request = send(url, { method, headers, agent: this.agent, signal }, resolve);
      request.once('error', reject);
      request.end(sent);
    }).catch((error: unknown) => {
      signal.throwIfAborted();
      throw unreachable(call, this.access.server, error);
    });
    const { statusCode = 0 } = response;
    if (statusCode >= 200 && statusCode < 300) return response;
    throw refusal(call, statusCode, await textOf(response), response.headers['retry-after']);
  }
}

/** The whole text of an answer. */
export async function textOf(stream: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) if (Buffer.isBuffer(chunk)) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** The values of a stream of JSON, one a line. */
async function* jsonLines(stream: http.IncomingMessage): AsyncGenerator<unknown, void, void> {
  let rest = '';
  stream.setEncoding('utf8');
  for await (const chunk of stream) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line !== '') yield JSON.parse(line);
  }
}
