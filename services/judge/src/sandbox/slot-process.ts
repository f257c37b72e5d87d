/** One slot as a process: starts the supervisor written in Python, hands it one submission at a time. */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { resolve } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { z } from 'zod';
import { encodeFrame, FrameReader } from './frames.js';
import { NoSandbox, type RunEnding, SandboxFailure } from './sandbox.js';
import type { SandboxEvent, SandboxJob, SandboxRun } from './sandbox.js';

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

/** Beside `src` and `dist` alike. */
const script = resolve(import.meta.dirname, '../../python/slot.py');
/** All that a program may see of an environment. */
const environment = {
  PATH: '/usr/bin:/bin',
  HOME: '/tmp',
  LANG: 'C.UTF-8',
  TZ: 'UTC',
  PYTHONHASHSEED: '0',
};

const greeting = z.union([
  z.object({ tier: z.enum(['control-groups', 'namespaces', 'none']), python: z.string() }),
  z.object({ error: z.string() }),
]);
export type SlotTier = 'control-groups' | 'namespaces' | 'none';

const size = z.int().min(0);
const message = z.discriminatedUnion('event', [
  z.object({ event: z.literal('compiled'), artefactBytes: size }),
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
  }),
  z.object({ event: z.literal('done') }),
  z.object({ event: z.literal('abandoned') }),
  z.object({ event: z.literal('failed'), message: z.string() }),
]);

/** What compiling came to before, and where to keep it. */
export interface Artefact {
  readonly known: Uint8Array | undefined;
  readonly keep: (artefact: Uint8Array) => void;
}

/** A running slot. */
export class SlotProcess {
  private readonly reader: FrameReader;
  private readonly ended: Promise<void>;
  private alive = true;

  private constructor(
    private readonly child: ChildProcessByStdio<Writable, Readable, Readable>,
    readonly tier: SlotTier,
    reader: FrameReader,
    ended: Promise<void>,
  ) {
    this.reader = reader;
    this.ended = ended;
    void ended.then(() => {
      this.alive = false;
    });
  }

  /** Starts a slot and waits until it can take submissions. Throws NoSandbox when nothing isolates here. */
  static async start(options: SlotOptions): Promise<SlotProcess> {
    const { python, isolation, bubblewrap, user, language, toolchains } = options;
    const settings = JSON.stringify({ isolation, bubblewrap, user, language, toolchains });
    // Not -I: it would ignore PYTHONHASHSEED. The environment is ours, and -s and -S keep everything else out.
    const child = spawn(python, ['-s', '-S', '-B', script, settings], {
      env: environment,
      cwd: '/',
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const ended = new Promise<void>((done) => {
      child.once('close', () => {
        done();
      });
      child.once('error', () => {
        done();
      });
    });
    child.stdin.on('error', () => undefined); // a dead slot is noticed by the end of its output
    forwardLines(child.stderr, options.onComplaint);
    const reader = new FrameReader(child.stdout);
    const timer = setTimeout(() => child.kill('SIGKILL'), startMs);
    try {
      const hello = greeting.parse(await reader.readHeader());
      if ('error' in hello) throw new NoSandbox(hello.error);
      return new SlotProcess(child, hello.tier, reader, ended);
    } catch (error) {
      child.kill('SIGKILL');
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

  /** As Sandbox.execute, one job at a time. */
  async *execute(
    job: SandboxJob,
    signal: AbortSignal,
    artefact: Artefact,
  ): AsyncGenerator<SandboxEvent, void, void> {
    signal.throwIfAborted();
    this.child.stdin.write(encodeJob(job, artefact.known ?? Buffer.alloc(0)));
    let finished = false;
    const abandon = (): void => {
      if (finished || !this.alive) return;
      this.child.stdin.write(encodeFrame({ abandon: true }));
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
        const event = await this.next(artefact.keep);
        if (event === undefined) {
          finished = true;
          signal.throwIfAborted();
          return;
        }
        signal.throwIfAborted();
        yield event;
      }
    } catch (error) {
      if (error instanceof SandboxFailure && this.alive) finished = true;
      throw error;
    } finally {
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
    this.child.kill('SIGKILL');
  }

  /** Ends in order: it clears away its control groups. */
  async close(graceMs = 5_000): Promise<void> {
    this.alive = false;
    this.child.stdin.end();
    const timer = setTimeout(() => this.child.kill('SIGKILL'), graceMs);
    await this.ended;
    clearTimeout(timer);
  }

  /** The next event; undefined after the last one. */
  private async next(keep: Artefact['keep']): Promise<SandboxEvent | undefined> {
    const header = await this.read();
    switch (header.event) {
      case 'done':
      case 'abandoned':
        return undefined;
      case 'failed':
        throw new SandboxFailure(header.message);
      case 'compiled':
        if (header.artefactBytes > 0) keep(Buffer.from(await this.reader.readBytes(header.artefactBytes)));
        return { kind: 'compiled' };
      case 'compileError':
        return { kind: 'compile-error', error: header.error };
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
        return { kind: 'ran', run: header.run, ending };
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
      while ((await this.next(() => undefined)) !== undefined);
    } catch {
      // Dead, or failed: either way nothing of the submission runs any more.
    }
  }
}

function encodeJob({ language, source, files, runs, limits }: SandboxJob, artefact: Uint8Array): Buffer {
  const sourceBytes = Buffer.from(source);
  const payloads = runs.map(payload);
  const header = {
    language,
    limits,
    sourceBytes: sourceBytes.length,
    artefactBytes: artefact.length,
    files: files.map(({ path, content }) => ({ path, bytes: content.length })),
    runs: runs.map(({ kind }, index) => ({ kind, bytes: payloads[index]?.length ?? 0 })),
  };
  return encodeFrame(header, [sourceBytes, artefact, ...files.map(({ content }) => content), ...payloads]);
}

function payload(run: SandboxRun): Uint8Array {
  switch (run.kind) {
    case 'stdio':
      return run.input;
    case 'call':
      return Buffer.from(
        `{"function":${JSON.stringify(run.name)},"arguments":[${run.argumentsJson.join(',')}]}`,
      );
    case 'check':
      return Buffer.from(`${run.token}\n${run.code}`);
  }
}

function forwardLines(stream: Readable, onLine: (line: string) => void): void {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    lines.forEach(onLine);
  });
}
