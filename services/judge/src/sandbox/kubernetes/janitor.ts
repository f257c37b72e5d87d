/** Deletes runner pods that no judge uses any more: those of an earlier start of this judge, and those that have ended. */
import type { PodApi } from './pod-api.js';
import { type PodSeen, progressOf } from './pod-seen.js';
import { incarnationLabel, instanceLabel, runnerLabels, type RunnerOwner } from './runner-pod.js';

/** Between two rounds, in milliseconds. */
const roundMs = 60_000;

/** Of one namespace; the judges that share it look after each other's pods. */
export class Janitor {
  private timer: NodeJS.Timeout | undefined;
  private readonly stopped = new AbortController();

  constructor(
    private readonly api: PodApi,
    private readonly owner: RunnerOwner,
    private readonly onComplaint: (line: string) => void,
  ) {}

  /** One round; the names of what it deleted. */
  async sweep(signal: AbortSignal): Promise<readonly string[]> {
    const pods = await this.api.list(runnerLabels, signal);
    const names = pods.filter((pod) => this.isLeft(pod)).map(({ metadata }) => metadata.name);
    await Promise.all(names.map((name) => this.api.delete(name, signal)));
    return names;
  }

  /** Names of pods that should not be there: what the next round deletes, and this judge's own beside those it knows. */
  async leftovers(known: ReadonlySet<string>, signal: AbortSignal): Promise<readonly string[]> {
    const { instance, incarnation } = this.owner;
    // One that is deleted while the cluster answers is not known any more when it has.
    const before = new Set(known);
    const pods = await this.api.list(runnerLabels, signal);
    const left = pods.filter((pod) => {
      const { name, labels, deletionTimestamp } = pod.metadata;
      if (deletionTimestamp !== undefined || before.has(name) || known.has(name)) return false;
      const own = labels[instanceLabel] === instance && labels[incarnationLabel] === incarnation;
      return own || this.isLeft(pod);
    });
    return left.map(({ metadata }) => metadata.name);
  }

  private isLeft(pod: PodSeen): boolean {
    const { instance, incarnation } = this.owner;
    const { labels } = pod.metadata;
    const earlier = labels[instanceLabel] === instance && labels[incarnationLabel] !== incarnation;
    // A pod of another judge that is dead ends by itself: python/runner.py.
    return earlier || progressOf(pod) === 'over';
  }

  /** Goes on, round by round. */
  start(): void {
    this.timer = setInterval(() => {
      this.sweep(this.stopped.signal).catch((error: unknown) => {
        if (!this.stopped.signal.aborted)
          this.onComplaint(
            `leftover pods were not deleted: ${error instanceof Error ? error.message : String(error)}`,
          );
      });
    }, roundMs);
    this.timer.unref();
  }

  stop(): void {
    clearInterval(this.timer);
    this.stopped.abort();
  }
}
