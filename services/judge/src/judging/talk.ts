/** Lets a program talk with an interactor, each in a sandbox of its own, until one of them has decided. */
import {
  type CompileError,
  type RunEnding,
  type Sandbox,
  SandboxFailure,
  type SandboxJob,
} from '../sandbox/sandbox.js';
import { ByteQueue } from './byte-queue.js';
import { Transcript } from './transcript.js';

/** A program that talks, without what it is told. */
export type Talker = Omit<SandboxJob, 'runs'>;

/** How a talk ended. What came first decides: an ending that the other one's end brought about says nothing. */
export type TalkEnd =
  | { readonly kind: 'refused'; readonly who: 'program' | 'interactor'; readonly error: CompileError }
  /** The program ended badly, while the interactor still had something to say. */
  | { readonly kind: 'program-failed'; readonly program: RunEnding }
  /** The interactor has ended; undefined where the program did not follow in time, and was killed. */
  | { readonly kind: 'ruled'; readonly interactor: RunEnding; readonly program: RunEnding | undefined };

/** How a talk went. */
export interface Talk {
  readonly end: TalkEnd;
  readonly transcript: Transcript;
}

/** Whether to hear a program out after the interactor has ended. */
export interface TalkRules {
  readonly endedWell: (ending: RunEnding) => boolean;
  /** Whether the interactor, by its ending, takes the program for right so far. */
  readonly contented: (interactor: RunEnding) => boolean;
}

/** How long a program that is wrong anyway may take to end, so that it is known what it used, in milliseconds. */
const graceMs = 300;

/** Plays until an end. Throws SandboxFailure, or the signal's reason; nothing of either program is left then. */
export async function talk(
  sandbox: Sandbox,
  program: Talker,
  interactor: Talker,
  rules: TalkRules,
  signal: AbortSignal,
): Promise<Talk> {
  const transcript = new Transcript();
  const [toProgram, toInteractor] = [new ByteQueue(), new ByteQueue()];
  const stop = new AbortController();
  const both = AbortSignal.any([signal, stop.signal]);
  // The interactor first: a program's wall clock runs while it waits for the first word.
  const theirs = play(sandbox, { ...interactor, companion: true }, toInteractor, both, (piece) => {
    transcript.add('Interactor', piece);
    toProgram.write(piece);
  });
  let ours: Side | undefined;
  try {
    await theirs.prepared;
    ours = play(sandbox, program, toProgram, both, (piece) => {
      transcript.add('Program', piece);
      toInteractor.write(piece);
    });
    const end = await settle(ours, theirs, { toProgram, toInteractor, transcript }, rules);
    return { end, transcript };
  } finally {
    stop.abort();
    await Promise.allSettled([ours?.outcome, theirs.outcome]);
  }
}

/** What became of one side. */
type Outcome =
  | { readonly kind: 'refused'; readonly error: CompileError }
  | { readonly kind: 'ended'; readonly ending: RunEnding };

interface Side {
  /** Settles once it is compiled, or never will be; does not reject. */
  readonly prepared: Promise<void>;
  readonly outcome: Promise<Outcome>;
}

interface Way {
  readonly toProgram: ByteQueue;
  readonly toInteractor: ByteQueue;
  readonly transcript: Transcript;
}

async function settle(ours: Side, theirs: Side, way: Way, rules: TalkRules): Promise<TalkEnd> {
  const { toProgram, toInteractor, transcript } = way;
  const first = await Promise.race([
    ours.outcome.then((outcome) => ({ who: 'program', outcome }) as const),
    theirs.outcome.then((outcome) => ({ who: 'interactor', outcome }) as const),
  ]);
  transcript.close();
  if (first.outcome.kind === 'refused') return { ...first.outcome, who: first.who };
  const { ending } = first.outcome;
  if (first.who === 'program') {
    if (!rules.endedWell(ending)) return { kind: 'program-failed', program: ending };
    toInteractor.end();
    const last = await theirs.outcome;
    if (last.kind === 'refused') return { ...last, who: 'interactor' };
    return { kind: 'ruled', interactor: last.ending, program: ending };
  }
  toProgram.end();
  await ours.prepared;
  const heard = rules.contented(ending) ? ours.outcome : Promise.race([ours.outcome, pause(graceMs)]);
  const last = await heard;
  if (last?.kind === 'refused') return { ...last, who: 'program' };
  return { kind: 'ruled', interactor: ending, program: last?.ending };
}

/** Starts one side; `onPiece` gets what it writes. */
function play(
  sandbox: Sandbox,
  talker: Talker,
  incoming: ByteQueue,
  signal: AbortSignal,
  onPiece: (piece: Uint8Array) => void,
): Side {
  let compiled = (): void => undefined;
  const started = new Promise<void>((resolve) => {
    compiled = resolve;
  });
  const run = async (): Promise<Outcome> => {
    let outcome: Outcome | undefined;
    const job = { ...talker, runs: [{ kind: 'dialogue', incoming }] } as const;
    for await (const event of sandbox.execute(job, signal)) {
      if (event.kind === 'compiled') compiled();
      if (event.kind === 'compile-error') outcome = { kind: 'refused', error: event.error };
      if (event.kind === 'wrote') onPiece(event.piece);
      if (event.kind === 'ran') outcome = { kind: 'ended', ending: event.ending };
    }
    if (outcome === undefined) throw new SandboxFailure('the sandbox told of no run of a talk');
    return outcome;
  };
  const outcome = run();
  const never = outcome.then(
    () => undefined,
    () => undefined,
  );
  return { prepared: Promise.race([started, never]), outcome };
}

function pause(ms: number): Promise<undefined> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms, undefined);
  });
}
