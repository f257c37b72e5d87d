/** Containers of one language, kept ready: each serves so many submissions, and is replaced after them, or on suspicion. */
import { SandboxFailure } from '../sandbox.js';

/** What the pool needs to know of a container. */
export interface Pooled {
  uses: number;
  readonly usable: boolean;
  remove(): Promise<void>;
}

/** How to keep them. */
export interface PoolOptions<Kept extends Pooled> {
  readonly start: () => Promise<Kept>;
  /** Submissions that a container serves at most. */
  readonly maxUses: number;
  /** Containers ready beyond those that were ever needed at once. */
  readonly spares: number;
  /** Gets why a container could not be started when nobody waits for one. */
  readonly onTrouble: (error: unknown) => void;
}

interface Waiter<Kept> {
  readonly take: (container: Kept) => void;
  readonly fail: (error: unknown) => void;
}

/** Those of one language. */
export class ContainerPool<Kept extends Pooled> {
  private readonly idle: Kept[] = [];
  private readonly busy = new Set<Kept>();
  private readonly waiters: Waiter<Kept>[] = [];
  private readonly work = new Set<Promise<void>>();
  private starting = 0;
  /** The most that were ever needed at once. */
  private peak = 0;
  private closed = false;

  constructor(private readonly options: PoolOptions<Kept>) {}

  /** Containers that there are, or will be in a moment. */
  get size(): number {
    return this.idle.length + this.busy.size + this.starting;
  }

  /** Makes so many ready, beside the spares. Throws what a start threw. */
  async warm(count: number): Promise<void> {
    this.peak = Math.max(this.peak, count);
    const missing = Math.max(0, count + this.options.spares - this.size);
    const started = await Promise.allSettled(Array.from({ length: missing }, () => this.start()));
    const failed = started.find((each) => each.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  /** A container of one's own, to be given back once. Throws SandboxFailure where none can be started. */
  async take(signal: AbortSignal): Promise<Kept> {
    signal.throwIfAborted();
    if (this.closed) throw new SandboxFailure('the sandbox is closed');
    for (let container = this.idle.pop(); container !== undefined; container = this.idle.pop()) {
      if (container.usable) return this.handOut(container);
      this.discard(container);
    }
    return new Promise<Kept>((resolve, reject) => {
      const settle = (): void => {
        signal.removeEventListener('abort', leave);
        const at = this.waiters.indexOf(waiter);
        if (at >= 0) this.waiters.splice(at, 1);
      };
      const leave = (): void => {
        settle();
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- a signal's reason is what it is
        reject(signal.reason);
      };
      const waiter: Waiter<Kept> = {
        take: (container) => {
          settle();
          resolve(this.handOut(container));
        },
        fail: (error) => {
          settle();
          reject(new SandboxFailure('no container to run the program in', { cause: error }));
        },
      };
      signal.addEventListener('abort', leave);
      this.waiters.push(waiter);
      this.refill();
    });
  }

  /** Takes one back; a suspicious one is not used again. */
  give(container: Kept, suspicious: boolean): void {
    this.busy.delete(container);
    if (suspicious || this.closed || !container.usable || container.uses >= this.options.maxUses) {
      this.discard(container);
    } else {
      this.offer(container);
    }
    this.refill();
  }

  /** Removes all of them and waits until they are gone. */
  async close(): Promise<void> {
    this.closed = true;
    for (const waiter of [...this.waiters]) waiter.fail(new Error('the sandbox is closed'));
    for (const container of [...this.idle.splice(0), ...this.busy]) this.discard(container);
    while (this.work.size > 0) await Promise.all(this.work);
  }

  private handOut(container: Kept): Kept {
    container.uses += 1;
    this.busy.add(container);
    this.peak = Math.max(this.peak, this.busy.size);
    return container;
  }

  private offer(container: Kept): void {
    const waiter = this.waiters[0];
    if (waiter === undefined) this.idle.push(container);
    else waiter.take(container);
  }

  /** Starts what is missing, without waiting for it. */
  private refill(): void {
    if (this.closed) return;
    const wanted = Math.max(this.waiters.length, this.peak + this.options.spares - this.busy.size);
    for (let missing = wanted - this.idle.length - this.starting; missing > 0; missing--) {
      this.track(
        this.start().catch((error: unknown) => {
          const waiter = this.waiters[0];
          if (waiter !== undefined) waiter.fail(error);
          else if (!this.closed) this.options.onTrouble(error);
        }),
      );
    }
  }

  private async start(): Promise<void> {
    this.starting += 1;
    try {
      const container = await this.options.start();
      if (this.closed) this.discard(container);
      else this.offer(container);
    } finally {
      this.starting -= 1;
    }
  }

  private discard(container: Kept): void {
    this.track(container.remove());
  }

  private track(work: Promise<void>): void {
    this.work.add(work);
    void work.finally(() => this.work.delete(work));
  }
}
