/** What compilers made of programs, by all that matters to them; the least recently used goes first. */
import { createHash } from 'node:crypto';

/** Bounded by bytes. */
export class ArtefactCache {
  private readonly kept = new Map<string, Uint8Array>();
  private bytes = 0;

  /** @param capacity Bytes. */
  constructor(private readonly capacity: number) {}

  /** The artefact, if it is still there. */
  get(key: string): Uint8Array | undefined {
    const found = this.kept.get(key);
    if (found !== undefined) {
      this.kept.delete(key);
      this.kept.set(key, found);
    }
    return found;
  }

  /** Keeps an artefact. */
  put(key: string, artefact: Uint8Array): void {
    this.drop(key);
    this.kept.set(key, artefact);
    this.bytes += artefact.length;
    for (const oldest of this.kept.keys()) {
      if (this.bytes <= this.capacity) break;
      this.drop(oldest);
    }
  }

  private drop(key: string): void {
    this.bytes -= this.kept.get(key)?.length ?? 0;
    this.kept.delete(key);
  }
}

/** What makes two compilations the same; the flags are the language's. */
export function artefactKey(language: string, version: string, source: string): string {
  return createHash('sha256')
    .update(JSON.stringify([language, version, source]))
    .digest('base64');
}
