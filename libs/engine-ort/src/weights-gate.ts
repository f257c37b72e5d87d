/** Keeps readers of the weights and their writer apart: any number of readers, or one writer, in the order they came. */
export class WeightsGate {
  private readers = 0;
  private writing = false;
  private readonly waiting: { readonly kind: 'read' | 'write'; readonly enter: () => void }[] = [];

  /** A writer waits for the readers inside; those who can pause should leave. */
  get writerWaits(): boolean {
    return this.waiting.some(({ kind }) => kind === 'write');
  }

  /** Runs `work` while no writer is inside. */
  async read<T>(work: () => Promise<T>): Promise<T> {
    await this.enter('read');
    try {
      return await work();
    } finally {
      this.readers -= 1;
      this.admit();
    }
  }

  /** Runs `work` while nobody else is inside. */
  async write<T>(work: () => Promise<T>): Promise<T> {
    await this.enter('write');
    try {
      return await work();
    } finally {
      this.writing = false;
      this.admit();
    }
  }

  private enter(kind: 'read' | 'write'): Promise<void> {
    return new Promise((enter) => {
      this.waiting.push({ kind, enter });
      this.admit();
    });
  }

  /** Lets those at the head of the queue in, as far as they go together. */
  private admit(): void {
    for (let [next] = this.waiting; next !== undefined && this.admits(next.kind); [next] = this.waiting) {
      this.waiting.shift();
      if (next.kind === 'read') this.readers += 1;
      else this.writing = true;
      next.enter();
    }
  }

  private admits(kind: 'read' | 'write'): boolean {
    return !this.writing && (kind === 'read' || this.readers === 0);
  }
}
