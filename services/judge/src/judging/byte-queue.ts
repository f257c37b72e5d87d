/** Bytes on their way from one who writes to one who reads, in order. */

/** A queue that one reader empties. */
export class ByteQueue implements AsyncIterable<Uint8Array> {
  private readonly pieces: Uint8Array[] = [];
  private ended = false;
  private wake: (() => void) | undefined;

  /** Adds a piece; nothing once it has ended. */
  write(piece: Uint8Array): void {
    if (this.ended) return;
    this.pieces.push(piece);
    this.wake?.();
  }

  /** Says that nothing more comes. */
  end(): void {
    this.ended = true;
    this.wake?.();
  }

  /** The pieces as they come, until the end. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    for (;;) {
      const piece = this.pieces.shift();
      if (piece !== undefined) yield piece;
      else if (this.ended) return;
      else {
        await new Promise<void>((resolve) => {
          this.wake = resolve;
        });
        this.wake = undefined;
      }
    }
  }
}
