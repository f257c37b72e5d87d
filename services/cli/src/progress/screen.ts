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

const speed = ({ tokensPerSecond }: RunProgress): string =>
  tokensPerSecond === undefined ? '-' : Math.round(tokensPerSecond).toString();

/** Minutes and seconds, rounded: `01:05`. */
export function clockText(seconds: number | undefined): string {
  if (seconds === undefined) return '--:--';
  const whole = Math.round(seconds);
  const digits = (value: number): string => String(value).padStart(2, '0');
  return `${digits(Math.floor(whole / 60))}:${digits(whole % 60)}`;
}

/** Columns of a title; longer ones are cut. */
const TITLE = 15;
/** Columns that a line needs beside its title and its bar. */
const FIGURES = 50;

function bars(output: NodeJS.WriteStream): Screen {
  const multi = new MultiBar(
    {
      stream: output,
      format: '{title} {bar} {value}/{total} {note}',
      barsize: Math.min(24, Math.max(8, output.columns - TITLE - FIGURES)),
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
  let closed = false;
  return {
    show: (title, progress) => {
      let pair = shown.get(title);
      if (pair === undefined) {
        pair = {
          steps: multi.create(progress.totalSteps, 0, { title: fitted(title), note: '' }),
          phase: multi.create(1, 0, { title: fitted(''), note: '' }),
        };
        shown.set(title, pair);
      }
      pair.steps.update(progress.step, {
        note: `steps reward ${two(progress.reward)} pass@1 ${two(lastPassRate(progress))} left ${clockText(secondsLeft(progress, Date.now()))}`,
      });
      pair.phase.setTotal(Math.max(1, progress.phase?.total ?? 1));
      pair.phase.update(progress.phase?.done ?? 0, {
        note: `${progress.phase?.name ?? waiting(progress)}  ${speed(progress)} tokens/s`,
      });
    },
    say: (line) => {
      if (closed) {
        output.write(`${line}\n`);
        return;
      }
      multi.log(`${line}\n`);
      multi.update();
    },
    close: () => {
      if (!closed) multi.stop();
      closed = true;
    },
  };
}

const waiting = ({ state }: RunProgress): string =>
  state === 'RUN_STATE_PENDING' ? 'waits for its policy' : '';

const fitted = (title: string): string =>
  (title.length > TITLE ? `${title.slice(0, TITLE - 1)}…` : title).padEnd(TITLE);

function lines(output: NodeJS.WriteStream): Screen {
  const last = new Map<string, string>();
  return {
    show: (title, progress) => {
      const key = `${progress.step}/${progress.evaluations.length}`;
      if (last.get(title) === key || (progress.step === 0 && progress.evaluations.length === 0)) return;
      last.set(title, key);
      output.write(
        `${title}: step ${progress.step}/${progress.totalSteps} reward ${two(progress.reward)} pass@1 ${two(lastPassRate(progress))} ` +
          `${speed(progress)} tokens/s left ${clockText(secondsLeft(progress, Date.now()))}\n`,
      );
    },
    say: (line) => {
      output.write(`${line}\n`);
    },
    close: () => undefined,
  };
}
