/** One bar for one piece of work: drawn on a terminal, nothing when piped or when a program reads. */
import { SingleBar } from 'cli-progress';
import type { Context } from '../commands/context.js';

/** How far the work is. */
export interface Advance {
  readonly done: number;
  readonly total: number;
}

export interface Bar {
  show(advance: Advance): void;
  close(): void;
}

export function openBar(title: string, { output }: Context, json: boolean): Bar {
  if (!output.isTTY || json) return { show: () => undefined, close: () => undefined };
  const bar = new SingleBar({
    stream: output,
    format: `${title} {bar} {value}/{total}`,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    hideCursor: true,
    gracefulExit: false,
  });
  let started = false;
  return {
    show: ({ done, total }) => {
      if (!started) bar.start(total, 0);
      started = true;
      bar.update(done);
    },
    close: () => {
      if (started) bar.stop();
    },
  };
}
