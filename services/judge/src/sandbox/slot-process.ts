/** One slot as a process: greets the supervisor written in Python, hands it one submission at a time. */
import { z } from 'zod';
import { encodeFrame, FrameReader } from './frames.js';
import { NoSandbox, type RunEnding, SandboxFailure } from './sandbox.js';
import { encodeJob } from './job-frame.js';
import type { SandboxEvent, SandboxJob } from './sandbox.js';
import { ownPythonFolder, type SlotChannel, slotCommand, spawnSlot } from './slot-channel.js';

/**
 * How a slot's programs are kept apart: cloned from a warmed-up Python into namespaces of their own; started by
 * bubblewrap; or not at all, as ordinary processes of this user, for trusted programs only.
 */
export type SlotIsolation = 'zygote' | 'bubblewrap' | 'none';

/** How to start a slot. */
export interface SlotOptions {
  /** Path of the interpreter. */
  readonly python: string;
  readonly isolation: SlotIsolation;
  /** Path of bwrap, for `bubblewrap`. */
  readonly bubblewrap: string;
  /** The host's user that this slot's programs become, where the judge is root. */
  readonly user: number;
  /** The language whose toolchain the slot's programs see. */
  readonly language: string;
  /** Paths of interpreters and compilers, by language. */
  readonly toolchains: Readonly<Record<string, string>>;
  /** Folders of what their compilers need made ready, by language. */
  readonly stores: Readonly<Record<string, string>>;
  /** Gets what the slot writes to standard error, line by line. */
  readonly onComplaint: (line: string) => void;
}

/** Longest start, in milliseconds: an interpreter and its imports. */
const startMs = 30_000;
/** Beyond the wall limits of a job's runs, in milliseconds, after which the slot itself is taken for stuck. */
const slackMs = 30_000;
/** On a busy machine a run may take so many times its wall limit; as in python/sandbox.py. */
const mostStretch = 4;
/** Longest compilation, in milliseconds; its limits are in python/languages.py. */
const compileMs = 30_000;
/** How long a slot may take to kill a program it was told to abandon, in milliseconds. */
const abandonMs = 5_000;

const greeting = z.union([
  z.object({ tier: z.enum(['container', 'control-groups', 'namespaces', 'none']), python: z.string() }),
  z.object({ error: z.string() }),
]);
export type SlotTier = 'container' | 'control-groups' | 'namespaces' | 'none';

const size = z.int().min(0);
/** Whether nothing of the submission is left, and nothing more comes. */
const over = z.boolean().default(false);
const message = z.discriminatedUnion('event', [
  z.object({ event: z.literal('compiled'), artefactBytes: size, over }),
  z.object({ event: z.literal('listening') }),
  z.object({ event: z.literal('wrote'), bytes: size }),
  z.object({
    event: z.literal('compileError'),
    error: z.object({ type: z.string(), message: z.string(), lines: z.array(z.int()) }),
  }),
  z.object({
    event: z.literal('ran'),
    run: size,
    exit: z.int().nullable(),
    signal: z.int().nullable(),
    limit: z.enum(['', 'cpu', 'wall', 'memory', 'output']),
    cpuMs: z.number(),
    wallMs: z.number(),
    peakBytes: size,
    stdoutBytes: size,
    stderrBytes: size,
    reportBytes: size,
    over,
  }),
  z.object({ event: z.literal('abandoned') }),
  z.object({ event: z.literal('failed'), message: z.string() }),
]);

/** What compiling came to before, and where to keep it. */
export interface Artefact {
  readonly known: Uint8Array | undefined;
  readonly keep: (artefact: Uint8Array) => void;
}

/** What a slot tells at once; no event where the submission was abandoned. */
interface Told {
  readonly event: SandboxEvent | { readonly kind: 'listening' } | undefined;
  readonly over: boolean;
}

/** A running slot. */
export class SlotProcess {
  private alive = true;

  private constructor(
    private readonly channel: SlotChannel,
    private readonly reader: FrameReader,
    readonly tier: SlotTier,
    /** All that it said of itself, for those who know what to ask of it. */
    readonly greeting: unknown,
  ) {
    void channel.ended.then(() => {
      this.alive = false;
    });
  }

  /** Starts a slot of this machine and waits until it can take submissions. Throws as `greet`. */
  static async start({ python, onComplaint, ...settings }: SlotOptions): Promise<SlotProcess> {
    return SlotProcess.greet(spawnSlot(slotCommand(python, ownPythonFolder, settings), onComplaint));
  }

  /**
   * Waits until a slot that was started can take submissions. Throws NoSandbox when nothing isolates where it runs, and
   * SandboxFailure when it does not say anything of use; it is dead then.
   */
  static async greet(channel: SlotChannel): Promise<SlotProcess> {
    channel.requests.on('error', () => undefined); // a dead slot is noticed by the end of its answers
    const reader = new FrameReader(channel.answers);
    const timer = setTimeout(() => {
      channel.kill();
    }, startMs);
    try {
      const said = await reader.readHeader();
      const hello = greeting.parse(said);
      if ('error' in hello) throw new NoSandbox(hello.error);
      return new SlotProcess(channel, reader, hello.tier, said);
    } catch (error) {
      channel.kill();
      if (error instanceof NoSandbox) throw error;
      throw new SandboxFailure('a sandbox slot did not start; its complaints are in the log', {
        cause: error,
      });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Whether it can take another submission. */
  get usable(): boolean {
    return this.alive;
  }

  /**
   * As Sandbox.execute, one job at a time. With `announce` it tells of the preparation before the first run, and not with
   * its ending: for those to whom the slot may be lost with its program.
   */
  async *execute(
    job: SandboxJob,
    signal: AbortSignal,
    artefact: Artefact,
    announce = false,
  ): AsyncGenerator<SandboxEvent, void, void> {
    signal.throwIfAborted();
    this.channel.requests.write(encodeJob(job, artefact.known ?? Buffer.alloc(0), announce));
    let finished = false;
    let prepared = false;
    let ended = false; // the run, to which nothing is to be said any more
    const abandon = (): void => {
      if (finished || !this.alive) return;
      this.channel.requests.write(encodeFrame({ abandon: true }));
      setTimeout(() => {
        if (!finished) this.kill();
      }, abandonMs).unref();
    };
    signal.addEventListener('abort', abandon);
    const stuck = setTimeout(
      () => {
        this.kill();
      },
      mostStretch * (job.runs.length + 1) * job.limits.wallMs + compileMs + slackMs,
    );
    try {
      for (;;) {
        const { event, over } = await this.next(artefact.keep);
        finished = over;
        signal.throwIfAborted();
        if (event === undefined) return;
        if (event.kind === 'ran') ended = true;
        if (event.kind === 'compiled' || event.kind === 'compile-error') prepared = true;
        // Where something runs, and there is no new artefact, the slot says nothing of it.
        if (!prepared) yield { kind: 'compiled' };
        prepared = true;
        if (event.kind === 'listening') {
          const [run] = job.runs;
          if (run?.kind === 'dialogue') void this.speak(run.incoming, () => ended || !this.alive);
        } else {
          yield event;
        }
        if (over) return;
      }
    } catch (error) {
      if (error instanceof SandboxFailure && this.alive) finished = true;
      throw error;
    } finally {
      ended = true;
      clearTimeout(stuck);
      signal.removeEventListener('abort', abandon);
      if (!finished && this.alive) {
        if (!signal.aborted) abandon();
        await this.settle();
        finished = true;
      }
    }
  }

  /** Ends at once, with whatever it runs. */
  kill(): void {
    this.alive = false;
    this.channel.kill();
  }

  /** Ends in order: it clears away its control groups. */
  async close(graceMs = 5_000): Promise<void> {
    this.alive = false;
    this.channel.requests.end();
    const timer = setTimeout(() => {
      this.channel.kill();
    }, graceMs);
    await this.channel.ended;
    clearTimeout(timer);
  }

  /** Says what comes to a program that listens, until it is over. */
  private async speak(incoming: AsyncIterable<Uint8Array>, over: () => boolean): Promise<void> {
    for await (const piece of incoming) {
      if (over()) return;
      this.channel.requests.write(encodeFrame({ say: piece.length }, [piece]));
    }
    if (!over()) this.channel.requests.write(encodeFrame({ hush: true }));
  }

  /** What the slot tells next. */
  private async next(keep: Artefact['keep']): Promise<Told> {
    const header = await this.read();
    switch (header.event) {
      case 'abandoned':
        return { event: undefined, over: true };
      case 'failed':
        throw new SandboxFailure(header.message);
      case 'compiled':
        if (header.artefactBytes > 0) keep(Buffer.from(await this.reader.readBytes(header.artefactBytes)));
        return { event: { kind: 'compiled' }, over: header.over };
      case 'compileError':
        return { event: { kind: 'compile-error', error: header.error }, over: true };
      case 'listening':
        return { event: { kind: 'listening' }, over: false };
      case 'wrote':
        return { event: { kind: 'wrote', piece: await this.reader.readBytes(header.bytes) }, over: false };
      case 'ran': {
        const stdout = await this.reader.readBytes(header.stdoutBytes);
        const stderr = await this.reader.readBytes(header.stderrBytes);
        const report = await this.reader.readBytes(header.reportBytes);
        const ending: RunEnding = {
          exitCode: header.exit ?? undefined,
          signal: header.signal ?? undefined,
          limit: header.limit === '' ? undefined : header.limit,
          cpuMs: header.cpuMs,
          wallMs: header.wallMs,
          peakMemoryBytes: header.peakBytes,
          stdout,
          stderr,
          report,
        };
        return { event: { kind: 'ran', run: header.run, ending }, over: header.over };
      }
    }
  }

  private async read(): Promise<z.infer<typeof message>> {
    try {
      return message.parse(await this.reader.readHeader());
    } catch (error) {
      this.kill();
      throw new SandboxFailure('a sandbox slot broke off; its complaints are in the log', { cause: error });
    }
  }

  /** Reads until the slot has killed what it ran and can take the next submission. */
  private async settle(): Promise<void> {
    try {
      while (!(await this.next(() => undefined)).over);
    } catch {
      // Dead, or failed: either way nothing of the submission runs any more.
    }
  }
}
