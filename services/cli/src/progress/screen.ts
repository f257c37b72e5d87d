/** Shows runs going forward: bars on a terminal, plain lines when piped, nothing when a program reads. */
import { MultiBar, type SingleBar } from 'cli-progress';
import { lastPassRate, secondsLeft, type RunProgress } from './run-progress.js';

export interface Screen {
  /** Shows where a run is. */
  show(title: string, progress: RunProgress): void;
  /** Prints a line that stays. */
  say(line: string): void;
  /** Leaves the terminal as it was found. */
  close(): void;
}

export type ScreenKind = 'bars' | 'lines' | 'silent';

export function openScreen(kind: ScreenKind, output: NodeJS.WriteStream): Screen {
  switch (kind) {
    case 'bars':
      return bars(output);
    case 'lines':
      return lines(output);
    case 'silent':
      return { show: () => undefined, say: () => undefined, close: () => undefined };
  }
}

const two = (value: number | undefined): string => (value === undefined ? '  - ' : value.toFixed(2));

export const clockText = (seconds: number | undefined): string =>
  seconds === undefined
    ? '--:--'
    : `${String(Math.floor(seconds / 60)).padStart(2, '0')}:${String(Math.round(seconds) % 60).padStart(2, '0')}`;

function bars(output: NodeJS.WriteStream): Screen {
  const multi = new MultiBar(
    {
      stream: output,
      format: '{title} {bar} {value}/{total} {note}',
      barsize: 24,
      hideCursor: true,
      clearOnComplete: false,
      barCompleteChar: '█',
      barIncompleteChar: '░',
      fps: 8,
      linewrap: false,
      gracefulExit: false,
    },
    undefined,
  );
  const shown = new Map<string, { readonly steps: SingleBar; readonly phase: SingleBar }>();
  return {
    show: (title, progress) => {
      let pair = shown.get(title);
      if (pair === undefined) {
        pair = {
          steps: multi.create(progress.totalSteps, 0, { title: title.padEnd(16), note: '' }),
          phase: multi.create(1, 0, { title: ''.padEnd(16), note: '' }),
        };
        shown.set(title, pair);
      }
      const speed =
        progress.tokensPerSecond === undefined ? '-' : Math.round(progress.tokensPerSecond).toString();
      pair.steps.update(progress.step, {
        note: `steps  reward ${two(progress.reward)}  pass@1 ${two(lastPassRate(progress))}  ${speed} tokens/s  left ${clockText(secondsLeft(progress, Date.now()))}`,
      });
      pair.phase.setTotal(Math.max(1, progress.phase?.total ?? 1));
      pair.phase.update(progress.phase?.done ?? 0, { note: progress.phase?.name ?? '' });
    },
    say: (line) => {
      multi.log(`${line}\n`);
      multi.update();
    },
    close: () => {
      multi.stop();
    },
  };
}

function lines(output: NodeJS.WriteStream): Screen {
  const last = new Map<string, string>();
  return {
    show: (title, progress) => {
      const key = `${progress.step}/${progress.evaluations.length}`;
      if (last.get(title) === key || (progress.step === 0 && progress.evaluations.length === 0)) return;
      last.set(title, key);
      const speed =
        progress.tokensPerSecond === undefined ? '-' : Math.round(progress.tokensPerSecond).toString();
      output.write(
        `${title}: step ${progress.step}/${progress.totalSteps} reward ${two(progress.reward)} pass@1 ${two(lastPassRate(progress))} ` +
          `${speed} tokens/s left ${clockText(secondsLeft(progress, Date.now()))}\n`,
      );
    },
    say: (line) => {
      output.write(`${line}\n`);
    },
    close: () => undefined,
  };
}
