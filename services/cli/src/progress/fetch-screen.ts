/** Shows a model being fetched: a bar on a terminal, a line per piece of work when piped, nothing when a program reads. */
import type { Progress } from '@backsight/fetch';
import { SingleBar } from 'cli-progress';
import type { ScreenKind } from './screen.js';

export interface FetchScreen {
  show(progress: Progress): void;
  close(): void;
}

export function openFetchScreen(kind: ScreenKind, output: NodeJS.WritableStream): FetchScreen {
  switch (kind) {
    case 'bars':
      return bar(output);
    case 'lines':
      return lines(output);
    case 'silent':
      return { show: () => undefined, close: () => undefined };
  }
}

const titles: Readonly<Record<Progress['stage'], string>> = {
  copy: 'copying',
  download: 'downloading',
  install: 'downloading by pip',
  convert: 'converting',
};

function bar(output: NodeJS.WritableStream): FetchScreen {
  const single = new SingleBar({
    stream: output,
    format: '{title} {bar} {percentage}% {amount} {what}',
    barsize: 24,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    hideCursor: true,
    gracefulExit: false,
    fps: 8,
  });
  let stage: Progress['stage'] | undefined;
  return {
    show: (progress) => {
      const payload = { title: titles[progress.stage], amount: amountOf(progress), what: progress.what };
      if (progress.stage !== stage) single.start(Math.max(1, progress.total), progress.done, payload);
      stage = progress.stage;
      single.setTotal(Math.max(1, progress.total));
      single.update(progress.done, payload);
    },
    close: () => {
      if (stage !== undefined) single.stop();
    },
  };
}

function lines(output: NodeJS.WritableStream): FetchScreen {
  let last = '';
  return {
    show: (progress) => {
      const line = `${titles[progress.stage]} ${progress.what}`;
      if (line !== last) output.write(`${line}\n`);
      last = line;
    },
    close: () => undefined,
  };
}

function amountOf({ stage, done, total }: Progress): string {
  if (total === 0) return '';
  if (stage === 'convert') return `${done}/${total} tensors`;
  return `${megabytes(done)}/${megabytes(total)} MB`;
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);
