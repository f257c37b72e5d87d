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

/** Shows updates as they come and returns the result that the last one has. */
export async function barUntilResult<Result>(
  title: string,
  updates: AsyncIterable<Advance & { readonly result: Result | undefined }>,
  context: Context,
  json: boolean,
): Promise<Result> {
  const bar = openBar(title, context, json);
  try {
    let result: Result | undefined;
    for await (const update of updates) {
      bar.show(update);
      result = update.result ?? result;
    }
    if (result === undefined) throw new Error('The coordinator ended without a result.');
    return result;
  } finally {
    bar.close();
  }
}
