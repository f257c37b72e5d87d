/** Those who watch runs: each gets every stored event once and in order, and the latest progress in between. */
import { RunState, type RunEvent } from '@backsight/contract/coordinator';
import type { EventPage } from './store/events.js';

/** Reads stored events; undefined when there is no such run. */
export type ReadEvents = (runId: string, afterSequence: number) => Promise<EventPage | undefined>;

/** States from which a run goes nowhere by itself. */
export const endedStates: readonly RunState[] = [RunState.SUCCEEDED, RunState.FAILED, RunState.STOPPED];

/**
 * The store is what is told; a bell only says that there is something new. So there is no gap between replay and following,
 * and nothing comes twice. A slow watcher skips progress, never an event.
 */
export class Watchers {
  readonly #bells = new Map<string, Bell>();
  #closing = false;

  /** Rings for those who watch a run: it has new events. */
  ring(runId: string): void {
    this.#bells.get(runId)?.ring();
  }

  /** Tells those who watch a run how far a phase is. */
  progress(runId: string, event: RunEvent): void {
    const bell = this.#bells.get(runId);
    if (bell === undefined) return;
    bell.progress = event;
    bell.ring();
  }

  /** Sends everybody away who watches a run that has not ended. */
  dismiss(): void {
    this.#closing = true;
    for (const bell of this.#bells.values()) bell.ring();
  }

  /** Events after a sequence number, then new ones as they come, until the run ends. Throws ClosingError when dismissed. */
  async *watch(
    runId: string,
    afterSequence: number,
    read: ReadEvents,
    signal: AbortSignal,
  ): AsyncGenerator<RunEvent, void, void> {
    const bell = this.#bells.get(runId) ?? new Bell();
    this.#bells.set(runId, bell);
    bell.watchers += 1;
    const stop = (): void => {
      bell.ring();
    };
    signal.addEventListener('abort', stop);
    try {
      let sequence = afterSequence;
      let progress: RunEvent | undefined;
      while (!signal.aborted) {
        // Taken before the store is read, so that what is stored meanwhile rings it.
        const rung = bell.rung;
        const page = await read(runId, sequence);
        if (page === undefined) return;
        for (const event of page.events) {
          yield event;
          sequence = event.sequence;
        }
        if (page.events.length > 0) continue;
        if (endedStates.includes(page.state)) return;
        if (this.#closing) throw new ClosingError();
        if (bell.progress !== progress) {
          progress = bell.progress;
          if (progress !== undefined) yield progress;
          continue;
        }
        await rung;
      }
    } finally {
      signal.removeEventListener('abort', stop);
      bell.watchers -= 1;
      if (bell.watchers === 0) this.#bells.delete(runId);
    }
  }
}

/** The coordinator is shutting down; the run goes on when it starts again. */
export class ClosingError extends Error {
  override readonly name = 'ClosingError';
  constructor() {
    super('the coordinator is shutting down');
  }
}

/** Wakes everybody who waits for it. */
class Bell {
  watchers = 0;
  progress: RunEvent | undefined;
  #wake: () => void = () => undefined;
  #rung = this.#next();

  /** Resolves at the next ring. */
  get rung(): Promise<void> {
    return this.#rung;
  }

  ring(): void {
    const wake = this.#wake;
    this.#rung = this.#next();
    wake();
  }

  #next(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
