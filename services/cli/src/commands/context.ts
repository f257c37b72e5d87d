/** What every command is given: where to write, when to stop, the environment. */
import { openScreen, type Screen } from '../progress/screen.js';

export interface Context {
  readonly output: NodeJS.WriteStream;
  /** Aborted by the first Ctrl-C, SIGTERM or SIGHUP, and when nobody reads any more. */
  readonly signal: AbortSignal;
  readonly environment: NodeJS.ProcessEnv;
}

/** Bars on a terminal, lines when piped, nothing with --json. */
export const screenFor = (context: Context, json: boolean): Screen =>
  openScreen(json ? 'silent' : context.output.isTTY ? 'bars' : 'lines', context.output);

export const printJson = (context: Context, value: unknown): void => {
  context.output.write(`${JSON.stringify(value, null, 2)}\n`);
};
