/** A hub on the loopback address, for tests. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';

/** Serves a folder as the hub does, and fails as it is told to. */
export class FakeHub {
  readonly files = new Map<string, Buffer>();
  readonly asked: string[] = [];
  readonly ranges: string[] = [];
  commit = 'a'.repeat(40);
  /** Closes the connection after so many bytes of a body. */
  cutAfter = Infinity;
  /** Sends so many bytes of a body and then nothing more, until the client goes away. */
  stuckAfter = Infinity;
  spoiled = '';
  failing = '';
  token = '';

  private constructor(
    private readonly id: string,
    private readonly server: Server,
    readonly address: string,
  ) {}

  static async start(id: string, folder: string): Promise<FakeHub> {
    const server = createServer((request, response) => {
      hub.answer(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const hub = new FakeHub(id, server, `http://127.0.0.1:${port}`);
    for (const name of await readdir(folder)) hub.files.set(name, await readFile(join(folder, name)));
    return hub;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const path = request.url ?? '';
    this.asked.push(path);
    if (this.token !== '' && request.headers.authorization !== `Bearer ${this.token}`)
      return void response.writeHead(401).end();
    if (path === `/api/models/${this.id}/revision/main?blobs=true`)
      return void response.end(JSON.stringify({ sha: this.commit, siblings: this.siblings() }));
    const name = path.split('/').at(-1) ?? '';
    const stored = this.files.get(name);
    if (stored === undefined || path !== `/${this.id}/resolve/${this.commit}/${name}`)
      return void response.writeHead(404).end();
    if (name === this.failing) return void response.writeHead(500).end();
    const bytes = name === this.spoiled ? Buffer.alloc(stored.length) : stored;
    const begin = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    if (begin > 0) this.ranges.push(name);
    response.writeHead(begin > 0 ? 206 : 200, { 'content-length': bytes.length - begin });
    const end = Math.min(bytes.length, begin + this.cutAfter, begin + this.stuckAfter);
    response.write(bytes.subarray(begin, end));
    if (end < bytes.length && this.stuckAfter < Infinity) return;
    if (end < bytes.length) setTimeout(() => response.destroy(), 20);
    else response.end();
  }

  private siblings(): readonly object[] {
    return [...this.files].map(([rfilename, bytes]) => ({
      rfilename,
      size: bytes.length,
      blobId: blobId(bytes),
      ...(rfilename.endsWith('.safetensors') && { lfs: { sha256: sha256(bytes), size: bytes.length } }),
    }));
  }
}

/** In hexadecimal. */
export const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const blobId = (bytes: Buffer): string =>
  createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
