/** A runner is a pod that runs one program after another: started, talked to, asked why it is gone, and ended. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { within } from '@backsight/rpc';
import { SandboxFailure } from '../sandbox.js';
import { forwardLines, type SlotChannel } from '../slot-channel.js';
import { SlotProcess } from '../slot-process.js';
import { ApiError } from './api-error.js';
import type { PodApi } from './pod-api.js';
import { type ExecEnd, execInPod, type PodExec } from './pod-exec.js';
import { isOutOfMemory, type PodSeen, progressOf, wordPod } from './pod-seen.js';
import {
  containerName,
  type RunnerOptions,
  type RunnerOwner,
  runnerPod,
  runnerSlotCommand,
} from './runner-pod.js';

/** How runners are started. */
export interface RunnerStart {
  readonly api: PodApi;
  readonly owner: RunnerOwner;
  readonly options: RunnerOptions;
  /** The longest that a pod may take until it runs, in milliseconds. */
  readonly startMs: number;
  /** Holds the names of pods that have a reason to be there. */
  readonly known: Set<string>;
  /** Gets what slots write to standard error, line by line. */
  readonly onComplaint: (line: string) => void;
}

/** Why a runner is gone. */
export interface Loss {
  /** The kernel ended it for the memory that the program used. */
  readonly outOfMemory: boolean;
  /** A phrase that completes "pod X ...". */
  readonly words: string;
}

/** How long a call that clears away may take, in milliseconds. */
const clearMs = 20_000;
/** How long the cluster is given to learn what the judge has noticed, in milliseconds. */
const inquiryMs = 2_000;

/** A pod that runs. */
export class Runner {
  /** Submissions so far. */
  uses = 0;
  readonly startedAt = performance.now();
  /** Settles when it cannot be used any more. */
  readonly lost: Promise<void>;
  private readonly slots = new Map<string, SlotProcess>();
  private readonly execs = new Set<PodExec>();
  private readonly ends: ExecEnd[] = [];
  private usability = true;
  /** What a slot last wrote to standard error. */
  private lastWords = '';
  private lose: () => void = () => undefined;
  private deletion: Promise<void> | undefined;

  private constructor(
    readonly name: string,
    private readonly start: RunnerStart,
  ) {
    this.lost = new Promise((resolve) => {
      this.lose = resolve;
    });
  }

  /** Creates a pod and waits until it runs. Throws SandboxFailure or ApiError, which say why there is none. */
  static async create(start: RunnerStart, signal: AbortSignal): Promise<Runner> {
    const { api, owner, options } = start;
    const name = `judge-runner-${randomBytes(5).toString('hex')}`;
    const runner = new Runner(name, start);
    start.known.add(name);
    try {
      const pod = await api.create(runnerPod(name, api.namespace, owner, options), signal);
      await runner.wait(pod, signal);
      return runner;
    } catch (error) {
      await runner.end().catch(() => undefined); // the janitor finds it again
      throw error;
    }
  }

  /** Whether it can take another submission. */
  get usable(): boolean {
    return this.usability;
  }

  /**
   * The slot whose sandboxes see the toolchain of this language; started when first needed. `toolchains` are paths in
   * the pod, by language.
   */
  async slot(
    language: string,
    toolchains: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<SlotProcess> {
    const known = this.slots.get(language);
    if (known?.usable === true) return known;
    const { options } = this.start;
    const settings = { isolation: 'zygote', bubblewrap: '', user: options.user, language, toolchains };
    const exec = await this.exec(runnerSlotCommand(options, settings), signal);
    const slot = await SlotProcess.greet(this.channel(exec)).catch(async (error: unknown) => {
      if (!(error instanceof SandboxFailure)) throw error;
      const { words } = await this.inquire();
      throw new SandboxFailure(`no slot starts in pod ${this.name}, which ${words}; ${this.lastWords}`, {
        cause: error,
      });
    });
    this.slots.set(language, slot);
    return slot;
  }

  /** Starts a command in it. */
  async exec(command: readonly string[], signal: AbortSignal): Promise<PodExec> {
    return execInPod(this.start.api, this.name, containerName, command, signal);
  }

  /** What became of a runner that was lost. The cluster may learn of it later than the judge. */
  async inquire(): Promise<Loss> {
    const late = AbortSignal.timeout(inquiryMs);
    let pod: PodSeen | undefined;
    try {
      do {
        pod = await this.start.api.find(this.name, AbortSignal.timeout(clearMs));
        if (pod === undefined || progressOf(pod) === 'over') break;
        await sleep(inquiryMs / 10);
      } while (!late.aborted);
    } catch (error) {
      return { outOfMemory: false, words: `cannot be asked about (${messageOf(error)})` };
    }
    const told = this.ends.map((end) => (end.kind === 'lost' ? end.why : `its slot exited with ${end.code}`));
    return {
      outOfMemory: pod !== undefined && isOutOfMemory(pod),
      words: [wordPod(pod), ...told].join('; '),
    };
  }

  /** Says that it is not to be used any more, whatever it does. */
  spoil(): void {
    this.usability = false;
  }

  /** Kills everything in it at once, by deleting it. */
  async end(): Promise<void> {
    this.usability = false;
    this.deletion ??= this.start.api.delete(this.name, AbortSignal.timeout(clearMs));
    for (const exec of this.execs) exec.drop();
    this.lose();
    await this.deletion.finally(() => this.start.known.delete(this.name));
  }

  /** A slot over the streams of its command; whatever ends one slot ends the runner. */
  private channel(exec: PodExec): SlotChannel {
    forwardLines(exec.stderr, (line) => {
      this.lastWords = line;
      this.start.onComplaint(line);
    });
    this.execs.add(exec);
    const ended = exec.ended.then((end) => {
      this.execs.delete(exec);
      this.ends.push(end);
      this.usability = false;
      this.lose();
    });
    return {
      requests: exec.stdin,
      answers: exec.stdout,
      ended,
      kill: () => {
        if (exec.over) return; // the pod may yet tell why
        // Dropping the connection would leave the command running: the pod takes it along.
        this.end().catch(() => undefined);
      },
    };
  }

  private async wait(created: PodSeen, signal: AbortSignal): Promise<void> {
    const { api, startMs, options } = this.start;
    const prompt = within(signal, startMs);
    let last: PodSeen | undefined = created;
    const runs = (pod: PodSeen | undefined): boolean => {
      last = pod;
      const progress = pod === undefined ? 'over' : progressOf(pod);
      if (progress === 'starting' || progress === 'running') return progress === 'running';
      throw new SandboxFailure(`Pod ${this.name} of image ${options.image} cannot run: it ${wordPod(pod)}`);
    };
    try {
      // Where the answer to its creation was lost, it may run already.
      if (runs(created)) return;
      for await (const pod of api.watch(this.name, created, prompt.signal)) if (runs(pod)) return;
    } catch (error) {
      if (error instanceof SandboxFailure || error instanceof ApiError) throw error;
      signal.throwIfAborted();
      if (!prompt.signal.aborted) throw error;
    } finally {
      prompt.stop();
    }
    throw new SandboxFailure(
      `Pod ${this.name} of image ${options.image} does not run after ${startMs / 1000} s: it ${wordPod(last)}`,
    );
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
