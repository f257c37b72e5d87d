import { FetchError, HubUnreachableError, reasonOf } from './fetch-error.js';

/** A file of a model on the hub. */
export interface HubFile {
  readonly name: string;
  readonly size: number;
  /** Of files kept in large-file storage. */
  readonly sha256: string | undefined;
  /** Git's id of the content, of the others. */
  readonly blobId: string | undefined;
}

/** A model on the hub at one commit. */
export interface HubModel {
  readonly id: string;
  readonly commit: string;
  readonly files: readonly HubFile[];
}

/** The Hugging Face hub, or what serves its interface at another address. */
export class Hub {
  constructor(
    private readonly endpoint: string,
    private readonly token: string | undefined,
  ) {}

  /** The files of a model at a branch, a tag or a commit. */
  async describe(id: string, revision: string, signal: AbortSignal): Promise<HubModel> {
    const response = await this.get(`/api/models/${id}/revision/${revision}?blobs=true`, {}, signal);
    requireGood(response, id);
    const body: unknown = await response.json().catch(() => undefined);
    const commit = property(body, 'sha');
    const siblings = property(body, 'siblings');
    if (typeof commit !== 'string' || !Array.isArray(siblings))
      throw new FetchError(`${this.endpoint} does not describe ${id} as the Hugging Face hub would.`);
    const listed: readonly unknown[] = siblings;
    return { id, commit, files: listed.flatMap(fileOf) };
  }

  /** The bytes of a file from `begin` on; `undefined` when it has no more. */
  async download(
    { id, commit }: HubModel,
    file: HubFile,
    begin: number,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array> | undefined> {
    const headers: Record<string, string> = begin === 0 ? {} : { range: `bytes=${begin}-` };
    const response = await this.get(`/${id}/resolve/${commit}/${file.name}`, headers, signal);
    if (response.status === 416) return undefined;
    requireGood(response, id);
    if (begin > 0 && response.status !== 206)
      throw new FetchError(`${this.endpoint} does not go on with a download that was cut off.`);
    return response.body === null ? undefined : piecesOf(response.body, signal);
  }

  private async get(path: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
    const authorization = this.token === undefined ? {} : { authorization: `Bearer ${this.token}` };
    try {
      return await fetch(`${this.endpoint}${path}`, { headers: { ...headers, ...authorization }, signal });
    } catch (cause) {
      signal.throwIfAborted();
      throw new HubUnreachableError(`${this.endpoint} cannot be reached: ${reasonOf(cause)}.`, { cause });
    }
  }
}

/**
 * The pieces of a body, until it ends or the signal aborts.
 *
 * Not by `for await` over the body itself: leaving that waits for a cancellation, which in Node 20 may never end once the
 * request was aborted.
 */
async function* piecesOf(
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, void> {
  const reader = body.getReader();
  let abort = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => {
      reject(new DOMException('The download was aborted.', 'AbortError'));
    };
  });
  aborted.catch(() => undefined);
  signal.addEventListener('abort', abort, { once: true });
  try {
    for (;;) {
      const { done, value } = await Promise.race([reader.read(), aborted]);
      if (done) return;
      yield value;
    }
  } finally {
    signal.removeEventListener('abort', abort);
    reader.cancel().catch(() => undefined);
  }
}

function requireGood({ ok, status }: Response, id: string): void {
  if (ok) return;
  if (status === 401 || status === 403 || status === 404)
    throw new FetchError(
      `The hub has no model ${id} at that revision for you (${status}). If it is private or gated, accept its terms on the ` +
        'hub and set HF_TOKEN.',
    );
  if (status >= 500 || status === 429)
    throw new HubUnreachableError(`The hub is not serving just now (${status}); try again later.`);
  throw new FetchError(`The hub answered ${status} for ${id}.`);
}

function fileOf(value: unknown): HubFile[] {
  const [name, size] = [property(value, 'rfilename'), property(value, 'size')];
  if (typeof name !== 'string' || typeof size !== 'number') return [];
  const [sha256, blobId] = [property(property(value, 'lfs'), 'sha256'), property(value, 'blobId')];
  return [
    {
      name,
      size,
      sha256: typeof sha256 === 'string' ? sha256 : undefined,
      blobId: typeof blobId === 'string' ? blobId : undefined,
    },
  ];
}

function property(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? Object.getOwnPropertyDescriptor(value, key)?.value
    : undefined;
}
