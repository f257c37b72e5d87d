/** The queue in front of a sandbox: so many run, so many wait, every caller gets its share, the rest are turned away. */

/** No room to wait: the same request may be taken later. */
export class QueueFull extends Error {
  override readonly name = 'QueueFull';
}

/** The wait outlasted its budget. */
export class QueueBudgetSpent extends Error {
  override readonly name = 'QueueBudgetSpent';
}

/** What a caller wants a place for. */
export const errands = ['judge', 'batch', 'execute', 'episode'] as const;
export type Errand = (typeof errands)[number];

/** How to wait. */
export interface WaitOptions {
  /** Whose share of the places it takes. Default: that of callers without a name. */
  readonly caller?: string | undefined;
  /** Default: `judge`. */
  readonly errand?: Errand | undefined;
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
  readonly errand: Errand;
  readonly admit: () => void;
  readonly refuse: (error: unknown) => void;
}

/** One caller's. */
interface Line {
  /** Places that it has. */
  running: number;
  /** When it last got one, counted in admissions. */
  turn: number;
  /** In order of arrival. */
  readonly waiters: Set<Waiter>;
}

/**
 * Admits to `capacity` places. A place that comes free goes to the caller that has the fewest, among equals to the one
 * that has gone without the longest, and there to who came first: a caller that sends thousands holds up only itself.
 */
export class Queue {
  private running = 0;
  private admissions = 0;
  private readonly lines = new Map<string, Line>();

  constructor(
    readonly capacity: number,
    readonly maxWaiting: number,
  ) {}

  /** How many wait now. */
  get waiting(): number {
    return [...this.lines.values()].reduce((sum, { waiters }) => sum + waiters.size, 0);
  }

  /** How many wait now for an errand. */
  waitingFor(errand: Errand): number {
    const waiters = [...this.lines.values()].flatMap((line) => [...line.waiters]);
    return waiters.filter((waiter) => waiter.errand === errand).length;
  }

  /** Waits for a place. Throws QueueFull, QueueBudgetSpent, or the signal's reason. */
  async enter({ caller = '', errand = 'judge', budgetMs, signal }: WaitOptions): Promise<Place> {
    signal.throwIfAborted();
    const arrived = performance.now();
    const line = this.lines.get(caller) ?? { running: 0, turn: 0, waiters: new Set() };
    if (this.running < this.capacity) {
      this.running += 1;
      this.admit(line);
      this.lines.set(caller, line);
    } else {
      this.makeRoom(line);
      this.lines.set(caller, line);
      await this.wait(caller, line, errand, budgetMs, signal);
    }
    let left = false;
    return {
      waitedMs: performance.now() - arrived,
      leave: () => {
        if (left) return;
        left = true;
        line.running -= 1;
        this.handOn();
        this.forget(caller, line);
      },
    };
  }

  /** Where nobody else may wait, whoever has most in the queue takes one back, or this one does not get in. */
  private makeRoom(line: Line): void {
    if (this.waiting < this.maxWaiting) return;
    const full = new QueueFull(`${this.running} submissions run and ${this.waiting} wait already`);
    const longest = [...this.lines.values()].reduce(
      (most, each) => (each.waiters.size > most.waiters.size ? each : most),
      line,
    );
    const newest = [...longest.waiters].at(-1);
    if (newest === undefined || longest.waiters.size <= line.waiters.size + 1) throw full;
    newest.refuse(full);
  }

  private wait(
    caller: string,
    line: Line,
    errand: Errand,
    budgetMs: number | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (how: () => void): void => {
        line.waiters.delete(waiter);
        this.forget(caller, line);
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
        how();
      };
      const waiter: Waiter = {
        errand,
        admit: () => {
          this.admit(line);
          settle(resolve);
        },
        refuse: (error) => {
          settle(() => {
            // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- a signal's reason is what it is
            reject(error);
          });
        },
      };
      const abort = (): void => {
        waiter.refuse(signal.reason);
      };
      const timer =
        budgetMs === undefined
          ? undefined
          : setTimeout(() => {
              waiter.refuse(new QueueBudgetSpent(`no place came free within ${budgetMs} ms`));
            }, budgetMs);
      signal.addEventListener('abort', abort);
      line.waiters.add(waiter);
    });
  }

  private admit(line: Line): void {
    line.running += 1;
    line.turn = ++this.admissions;
  }

  /** The place goes to the caller whose turn it is, or back. */
  private handOn(): void {
    const waiting = [...this.lines.values()].filter(({ waiters }) => waiters.size > 0);
    const [first] = waiting;
    if (first === undefined) {
      this.running -= 1;
      return;
    }
    const next = waiting.reduce((best, each) => (comesBefore(each, best) ? each : best), first);
    for (const waiter of next.waiters) {
      waiter.admit();
      return;
    }
  }

  private forget(caller: string, line: Line): void {
    if (line.running === 0 && line.waiters.size === 0) this.lines.delete(caller);
  }
}

function comesBefore(one: Line, other: Line): boolean {
  return one.running === other.running ? one.turn < other.turn : one.running < other.running;
}
