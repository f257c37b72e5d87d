/** Runs under way, each shared by all who want the same: it ends when it is done, or when the last of them has gone. */

interface Run<T> {
  readonly outcome: Promise<T>;
  /** Kills it. */
  readonly stop: AbortController;
  followers: number;
}

/** Runs by what makes them the same. */
export class SharedRuns<T> {
  private readonly underWay = new Map<string, Run<T>>();

  /** Whether there is a run under way to join. */
  has(key: string): boolean {
    return this.underWay.has(key);
  }

  /** Follows the run under way, if there is one; the signal ends only the following. */
  join(key: string, signal: AbortSignal): Promise<T> | undefined {
    const run = this.underWay.get(key);
    return run === undefined ? undefined : this.follow(key, run, signal);
  }

  /** Starts a run that others may join; where one is under way already, this one is not shared. */
  start(key: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const stop = new AbortController();
    const run: Run<T> = { outcome: work(stop.signal), stop, followers: 0 };
    if (!this.underWay.has(key)) this.underWay.set(key, run);
    const end = (): void => {
      this.drop(key, run);
    };
    run.outcome.then(end, end);
    return this.follow(key, run, signal);
  }

  /** The outcome; or the signal's reason, for the last to go once the run is dead. */
  private async follow(key: string, run: Run<T>, signal: AbortSignal): Promise<T> {
    run.followers += 1;
    let leave = (): void => undefined;
    const gone = new Promise<never>((_, reject) => {
      leave = (): void => {
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- a signal's reason is what it is
        reject(signal.reason);
      };
      signal.addEventListener('abort', leave);
      if (signal.aborted) leave();
    });
    try {
      return await Promise.race([run.outcome, gone]);
    } finally {
      signal.removeEventListener('abort', leave);
      run.followers -= 1;
      if (signal.aborted && run.followers === 0) {
        this.drop(key, run);
        run.stop.abort(signal.reason);
        await run.outcome.catch(() => undefined);
      }
    }
  }

  private drop(key: string, run: Run<T>): void {
    if (this.underWay.get(key) === run) this.underWay.delete(key);
  }
}
