/** A sandbox runs untrusted programs apart from this machine. */
import type { IsolationTier } from '@backsight/contract/judge';

/**
 * Runs programs apart from this machine, `capacity` of them side by side. What a program does wrong is part of a
 * result; what the sandbox does wrong is thrown as `SandboxFailure`.
 */
export interface Sandbox {
  /** For example `zygote`. */
  readonly name: string;
  readonly tier: IsolationTier;
  readonly languages: readonly SandboxLanguage[];
  /** Programs run side by side, each with a companion; one more than that is a bug of the caller. */
  readonly capacity: number;
  /**
   * Prepares the program, then runs it once per run, in order, with fresh state each time, and tells of each.
   *
   * Leaving the loop early, or aborting the signal, kills everything of the program before the slot is used again.
   */
  execute(job: SandboxJob, signal: AbortSignal): AsyncGenerator<SandboxEvent, void, void>;
  /** What is left of programs that are over, each in a few words; nothing should be. Default: it cannot tell. */
  leftovers?(): Promise<readonly string[]>;
  /** Kills what runs, and leaves nothing behind. */
  close(): Promise<void>;
}

/** What a program may be written in. */
export interface SandboxLanguage {
  /** As requests name it, for example `python`. */
  readonly name: string;
  /** Of its toolchain. */
  readonly version: string;
  /** The kinds of run it takes. */
  readonly runs: readonly SandboxRun['kind'][];
}

/** A program and what to do with it. */
export interface SandboxJob {
  /** One of the sandbox's languages. */
  readonly language: string;
  /** The language whose toolchain the program sees. Default: its own. */
  readonly surroundings?: string;
  /** The program runs beside another one that takes a place, and takes none: an interactor. Default: false. */
  readonly companion?: boolean;
  readonly source: string;
  /** Arguments of the program. Default: none. */
  readonly arguments?: readonly string[];
  /** Files to put into the working folder, for programs that are run once. */
  readonly files: readonly SandboxFile[];
  readonly runs: readonly SandboxRun[];
  readonly limits: RunLimits;
}

/** A file of the working folder. */
export interface SandboxFile {
  /** Relative, without `..`. */
  readonly path: string;
  readonly content: Uint8Array;
}

/** One run of the program. No expected output is part of it: those never enter a sandbox. */
export type SandboxRun =
  | { readonly kind: 'stdio'; readonly input: Uint8Array }
  /** Calls a function with arguments that are JSON values; the report holds its result. */
  | { readonly kind: 'call'; readonly name: string; readonly argumentsJson: readonly string[] }
  /** Runs code after the program; the report holds the token if it came to its end. */
  | { readonly kind: 'check'; readonly code: string; readonly token: string }
  /** Reads what comes while it runs, and is heard while it runs: its output is told piece by piece. Alone in its job. */
  | { readonly kind: 'dialogue'; readonly incoming: AsyncIterable<Uint8Array> };

/** What one run may use. */
export interface RunLimits {
  readonly cpuMs: number;
  /** A backstop for programs that sleep. */
  readonly wallMs: number;
  /** Of all its processes together. */
  readonly memoryBytes: number;
  /** Standard output plus standard error. */
  readonly outputBytes: number;
  /** Processes and threads. */
  readonly processes: number;
}

/** What a sandbox tells: first how the preparation went, at the latest with the first run's ending; then one ending per run. */
export type SandboxEvent =
  | { readonly kind: 'compiled' }
  /** The last event: nothing was run. */
  | { readonly kind: 'compile-error'; readonly error: CompileError }
  /** In a dialogue: a piece of standard output, which its ending will hold again. */
  | { readonly kind: 'wrote'; readonly piece: Uint8Array }
  | { readonly kind: 'ran'; readonly run: number; readonly ending: RunEnding };

/** Why a program cannot be run at all. */
export interface CompileError {
  /** For example `SyntaxError`; empty where compiling itself went wrong. */
  readonly type: string;
  readonly message: string;
  /** Lines of the source, counted from 1, innermost last. */
  readonly lines: readonly number[];
}

/** How one run ended, as seen from outside it. */
export interface RunEnding {
  /** When it ended by itself. */
  readonly exitCode: number | undefined;
  /** When it was killed by one. */
  readonly signal: number | undefined;
  /** The limit that decides, if any. */
  readonly limit: LimitName | undefined;
  readonly cpuMs: number;
  readonly wallMs: number;
  readonly peakMemoryBytes: number;
  /** What it wrote, up to the limit. */
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  /** What the program's own process had to say; not to be believed. */
  readonly report: Uint8Array;
}

export type LimitName = 'cpu' | 'wall' | 'memory' | 'output';

/** The sandbox, not the program, went wrong: the same job may well succeed elsewhere or later. */
export class SandboxFailure extends Error {
  override readonly name = 'SandboxFailure';
}

/** There is no sandbox on this machine; the message is one sentence for people. */
export class NoSandbox extends Error {
  override readonly name = 'NoSandbox';
}
