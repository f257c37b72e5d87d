/** Keeps so many runners ready, and puts a new one in the place of each that is lost or has done its share. */
import { setTimeout as sleep } from 'node:timers/promises';
import { SandboxFailure } from '../sandbox.js';
import { backoff } from './patience.js';

/** What the pool needs to know of a runner. */
export interface Pooled {
  readonly name: string;
  readonly usable: boolean;
  readonly lost: Promise<void>;
  end(): Promise<void>;
}

/** How the pool gets runners, and whom it tells. */
export interface RunnerPoolOptions<R extends Pooled> {
  readonly size: number;
  /** How many are started at once; the rest when they are first wanted. */
  readonly warm: number;
  readonly start: (signal: AbortSignal) => Promise<R>;
  /** Whether a runner that is given back may be taken again. */
  readonly isFit: (runner: R) => boolean;
  readonly onTrouble: (error: unknown, what: string) => void;
}

interface Waiter<R> {
  readonly resolve: (runner: R) => void;
  readonly reject: (error: unknown) => void;
}

/** `size` places, each with a runner that is ready, taken, on its way, or not wanted yet. */
export class RunnerPool<R extends Pooled> {
  private readonly ready: R[] = [];
  private readonly all = new Set<R>();
  private readonly waiters: Waiter<R>[] = [];
  private readonly work = new Set<Promise<void>>();
  private readonly closing = new AbortController();
  /** Places that have or get a runner. */
  private filled: number;
  private starting = 0;

  private constructor(private readonly options: RunnerPoolOptions<R>) {
    this.filled = options.warm;
  }

  /** Starts the first ones. Throws what the first failure threw; nothing is left then. */
  static async open<R extends Pooled>(options: RunnerPoolOptions<R>): Promise<RunnerPool<R>> {
    const pool = new RunnerPool(options);
    const failure = new AbortController();
    const starts = await Promise.allSettled(
      Array.from({ length: options.warm }, async () => {
        try {
          pool.join(await options.start(failure.signal));
        } catch (error) {
          failure.abort(error);
          throw error;
        }
      }),
    );
    if (starts.every(({ status }) => status === 'fulfilled')) return pool;
    await pool.close();
    throw failure.signal.reason;
  }

  /** A runner of one's own, to be given back once. Throws SandboxFailure when none can be had, or the signal's reason. */
  async take(signal: AbortSignal): Promise<R> {
    signal.throwIfAborted();
    if (this.closing.signal.aborted) throw new SandboxFailure('the sandbox is closed');
    for (let runner = this.ready.pop(); runner !== undefined; runner = this.ready.pop())
      if (this.options.isFit(runner)) return runner;
      else this.replace(runner);
    if (this.filled < this.options.size) {
      this.filled += 1;
      this.track(this.refill());
    }
    return new Promise<R>((resolve, reject) => {
      const leave = (): void => {
        this.waiters.splice(this.waiters.indexOf(waiter), 1);
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- a signal's reason is what it is
        reject(signal.reason);
      };
      const waiter: Waiter<R> = {
        resolve: (runner) => {
          signal.removeEventListener('abort', leave);
          resolve(runner);
        },
        reject: (error) => {
          signal.removeEventListener('abort', leave);
          reject(new SandboxFailure(`no pod to run the program in: ${messageOf(error)}`, { cause: error }));
        },
      };
      signal.addEventListener('abort', leave);
      this.waiters.push(waiter);
    });
  }

  /** Takes a runner back; one that is not fit for another submission is replaced. */
  give(runner: R): void {
    if (this.options.isFit(runner)) this.offer(runner);
    else this.replace(runner);
  }

  /** Ends all runners and waits until they are deleted. */
  async close(): Promise<void> {
    this.closing.abort();
    for (const { reject } of this.waiters.splice(0)) reject(new Error('the sandbox is closed'));
    for (const runner of this.all) this.retire(runner);
    while (this.work.size > 0) await Promise.all(this.work);
  }

  private join(runner: R): void {
    this.all.add(runner);
    void runner.lost.then(() => {
      const at = this.ready.indexOf(runner);
      if (at < 0) return; // taken: who has it gives it back
      this.ready.splice(at, 1);
      this.replace(runner);
    });
    this.offer(runner);
  }

  private offer(runner: R): void {
    const waiter = this.waiters.shift();
    if (waiter === undefined) this.ready.push(runner);
    else waiter.resolve(runner);
  }

  private replace(runner: R): void {
    this.retire(runner);
    if (!this.closing.signal.aborted) this.track(this.refill());
  }

  private retire(runner: R): void {
    if (!this.all.delete(runner)) return;
    this.track(
      runner.end().catch((error: unknown) => {
        this.options.onTrouble(error, `pod ${runner.name} was not deleted`);
      }),
    );
  }

  /** Starts a runner, again and again until one runs or the pool is closed. */
  private async refill(): Promise<void> {
    const { signal } = this.closing;
    for (let failures = 1; ; failures++) {
      this.starting += 1;
      try {
        const runner = await this.options.start(signal);
        this.starting -= 1;
        if (signal.aborted) await runner.end();
        else this.join(runner);
        return;
      } catch (error) {
        this.starting -= 1;
        if (signal.aborted) return;
        this.options.onTrouble(error, 'a pod could not be started');
        // Those for whom no other pod is on its way hear of it now: their callers may try elsewhere.
        for (const { reject } of this.waiters.splice(this.starting)) reject(error);
      }
      try {
        await sleep(backoff(failures), undefined, { signal });
      } catch {
        return; // closed meanwhile
      }
    }
  }

  private track(work: Promise<void>): void {
    this.work.add(work);
    void work.finally(() => this.work.delete(work));
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
