/** The queue in front of a sandbox: so many run, so many wait in order of arrival, the rest are turned away. */

/** No room to wait: the same request may be taken later. */
export class QueueFull extends Error {
  override readonly name = 'QueueFull';
}

/** The wait outlasted its budget. */
export class QueueBudgetSpent extends Error {
  override readonly name = 'QueueBudgetSpent';
}

/** How to wait. */
export interface WaitOptions {
  /** Longest wait, in milliseconds. Default: as long as the signal lets. */
  readonly budgetMs?: number | undefined;
  readonly signal: AbortSignal;
}

/** A place at work; leave it once. */
export interface Place {
  /** How long it was waited for, in milliseconds. */
  readonly waitedMs: number;
  readonly leave: () => void;
}

interface Waiter {
  readonly admit: () => void;
}

/** Admits to `capacity` places. */
export class Queue {
  private running = 0;
  private readonly waiters = new Set<Waiter>();

  constructor(
    readonly capacity: number,
    readonly maxWaiting: number,
  ) {}

  /** How many wait now. */
  get waiting(): number {
    return this.waiters.size;
  }

  /** Waits for a place. Throws QueueFull, QueueBudgetSpent, or the signal's reason. */
  async enter({ budgetMs, signal }: WaitOptions): Promise<Place> {
    signal.throwIfAborted();
    const arrived = performance.now();
    if (this.running < this.capacity) this.running += 1;
    else if (this.waiters.size >= this.maxWaiting) {
      throw new QueueFull(`${this.running} submissions run and ${this.waiters.size} wait already`);
    } else await this.wait(budgetMs, signal);
    let left = false;
    return {
      waitedMs: performance.now() - arrived,
      leave: () => {
        if (left) return;
        left = true;
        this.handOn();
      },
    };
  }

  private wait(budgetMs: number | undefined, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (how: () => void): void => {
        this.waiters.delete(waiter);
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
        how();
      };
      const waiter: Waiter = {
        admit: () => {
          settle(resolve);
        },
      };
      const give = (error: unknown): void => {
        settle(() => {
          // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- a signal's reason is what it is
          reject(error);
        });
      };
      const abort = (): void => {
        give(signal.reason);
      };
      const timer =
        budgetMs === undefined
          ? undefined
          : setTimeout(() => {
              give(new QueueBudgetSpent(`no place came free within ${budgetMs} ms`));
            }, budgetMs);
      signal.addEventListener('abort', abort);
      this.waiters.add(waiter);
    });
  }

  /** The place goes to whoever waited longest, or back. */
  private handOn(): void {
    const [next] = this.waiters;
    if (next === undefined) this.running -= 1;
    else next.admit();
  }
}
