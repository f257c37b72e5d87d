/** A sandbox of pods: every slot is a pod of its own, reached through the Kubernetes API alone. */
import { IsolationTier } from '@backsight/contract/judge';
import { ArtefactCache, artefactKey } from '../artefact-cache.js';
import type { LanguageName, Toolchain } from '../find-toolchains.js';
import {
  NoSandbox,
  type RunEnding,
  type Sandbox,
  type SandboxEvent,
  SandboxFailure,
  type SandboxJob,
} from '../sandbox.js';
import { ApiError } from './api-error.js';
import type { ClusterAccess } from './cluster-access.js';
import { PodApi } from './pod-api.js';
import { Runner, type RunnerStart } from './runner.js';
import type { RunnerOptions, RunnerOwner } from './runner-pod.js';
import { RunnerPool } from './runner-pool.js';
import { type RunnerInside, inspectRunner } from './inspect-runner.js';
import { Janitor } from './janitor.js';

/** How to open it. */
export interface KubernetesSandboxOptions {
  readonly access: ClusterAccess;
  /** Where the pods are. */
  readonly namespace: string;
  /** This judge's name, which it keeps over restarts, and that of this start. */
  readonly owner: RunnerOwner;
  readonly runner: RunnerOptions;
  /** Pods, and so programs run side by side. */
  readonly slots: number;
  /** After so many submissions a pod is replaced. */
  readonly submissionsPerPod: number;
  /** The longest that a pod may take until it runs, in milliseconds. */
  readonly startMs: number;
  /** By default all whose toolchain is in the image. */
  readonly languages: readonly LanguageName[] | undefined;
  /** Gets what goes wrong without a caller to tell it to, and what slots complain of. */
  readonly onComplaint: (line: string) => void;
}

const artefactBytes = 1 << 28;
/** The longest that whoever asks for leftovers waits for the cluster, in milliseconds. */
const answerMs = 10_000;
/** SIGSYS, by which the filter of system calls kills: what asks for such a call may have got further than that. */
const forbiddenCall = 31;
/** A pod is replaced when this share of its life is over, so that its end does not meet a submission. */
const shareOfLife = 0.8;

/** Starts the pods. Throws NoSandbox, with one sentence, where they cannot be had or nothing isolates in them. */
export async function openKubernetesSandbox(options: KubernetesSandboxOptions): Promise<Sandbox> {
  const { access, namespace, owner, runner: pod, slots, startMs, languages, onComplaint } = options;
  const api = new PodApi(access, namespace);
  const known = new Set<string>();
  const start: RunnerStart = { api, owner, options: pod, startMs, known, onComplaint };
  let inspection: Promise<RunnerInside> | undefined;
  /** What is in the image: asked of the first pod that runs. */
  const inside = async (runner: Runner, signal: AbortSignal): Promise<RunnerInside> => {
    inspection ??= inspectRunner(runner, pod, languages, signal);
    try {
      return await inspection;
    } catch (error) {
      inspection = undefined;
      throw error;
    }
  };
  const startWarm = async (signal: AbortSignal): Promise<Runner> => {
    const runner = await Runner.create(start, signal);
    try {
      await runner.slot('python', pathsOf((await inside(runner, signal)).toolchains), signal);
      return runner;
    } catch (error) {
      await runner.end().catch(() => undefined); // the janitor finds it again
      throw error;
    }
  };
  const janitor = new Janitor(api, owner, onComplaint);
  const openPool = (warm: number): Promise<RunnerPool<Runner>> =>
    RunnerPool.open({
      size: slots,
      warm,
      start: startWarm,
      isFit: (runner) =>
        runner.usable &&
        runner.uses < options.submissionsPerPod &&
        performance.now() - runner.startedAt < shareOfLife * 1000 * pod.lifeSeconds,
      onTrouble: (error, what) => {
        onComplaint(`${what}: ${error instanceof Error ? error.message : String(error)}`);
      },
    });
  let pool: RunnerPool<Runner>;
  try {
    await janitor.sweep(new AbortController().signal);
    pool = await openPool(slots);
  } catch (error) {
    api.close();
    throw noSandbox(error);
  }
  janitor.start();
  // One beside each, for programs that talk to another one; started when first needed.
  const companions = await openPool(0);
  const { toolchains, ownKernel } = await (inspection ?? Promise.reject(new Error('no pod was looked into')));
  const paths = pathsOf(toolchains);
  const artefacts = new ArtefactCache(artefactBytes);

  return {
    name: 'kubernetes',
    tier: ownKernel ? IsolationTier.KERNEL : IsolationTier.CONTAINER,
    languages: toolchains,
    capacity: slots,

    async *execute(job: SandboxJob, signal: AbortSignal): AsyncGenerator<SandboxEvent, void, void> {
      const runners = job.companion === true ? companions : pool;
      // The pod of the program that it will talk with has to be there first: the companion's clock runs while it waits.
      if (job.companion === true) pool.give(await pool.take(signal));
      const { version = '' } = toolchains.find(({ name }) => name === job.language) ?? {};
      const key = artefactKey(job.language, version, job.source);
      let told = 0;
      let compiled = false;
      for (;;) {
        const runner = await runners.take(signal);
        const started = performance.now();
        try {
          runner.uses += 1;
          const slot = await runner.slot(job.surroundings ?? job.language, paths, signal);
          const rest = { ...job, runs: job.runs.slice(told) };
          const artefact = {
            known: artefacts.get(key),
            keep: (made: Uint8Array) => {
              artefacts.put(key, made);
            },
          };
          for await (const event of slot.execute(rest, signal, artefact, true)) {
            if (event.kind === 'ran' && event.ending.signal === forbiddenCall) runner.spoil();
            if (event.kind === 'ran') yield { ...event, run: told++ };
            else if (event.kind !== 'compiled' || !compiled) yield event;
            compiled = true;
          }
          return;
        } catch (error) {
          signal.throwIfAborted();
          const ending = await endingOf(runner, error, performance.now() - started);
          if (!compiled) {
            yield { kind: 'compile-error', error: outOfMemoryCompiling };
            return;
          }
          yield { kind: 'ran', run: told++, ending };
          if (told === job.runs.length) return;
        } finally {
          runners.give(runner);
        }
      }
    },

    async leftovers() {
      const names = await janitor.leftovers(known, AbortSignal.timeout(answerMs));
      return names.map((name) => `pod ${name}`);
    },

    async close() {
      janitor.stop();
      await Promise.all([pool.close(), companions.close()]);
      api.close();
    },
  };
}

const outOfMemoryCompiling = {
  type: '',
  message: 'Compiling takes more memory than allowed.',
  lines: [],
} as const;

/**
 * How a run ended that took its pod along: the kernel's word that the pod ran out of memory is a verdict, since the
 * program alone grew in it. Throws anything else, which says nothing about the program.
 */
async function endingOf(runner: Runner, error: unknown, wallMs: number): Promise<RunEnding> {
  if (!(error instanceof SandboxFailure || error instanceof ApiError || error instanceof NoSandbox))
    throw error;
  runner.spoil();
  const loss = await runner.inquire();
  if (!loss.outOfMemory)
    throw new SandboxFailure(`pod ${runner.name} failed: ${error.message}; the pod ${loss.words}`, {
      cause: error,
    });
  return {
    exitCode: undefined,
    signal: 9,
    limit: 'memory',
    cpuMs: 0,
    wallMs,
    peakMemoryBytes: 0,
    stdout: Buffer.alloc(0),
    stderr: Buffer.alloc(0),
    report: Buffer.alloc(0),
  };
}

function pathsOf(toolchains: readonly Toolchain[]): Readonly<Record<string, string>> {
  return Object.fromEntries(toolchains.map(({ name, path }) => [name, path]));
}

/** What kept the pods from starting, as the reason not to serve. */
function noSandbox(error: unknown): unknown {
  if (error instanceof NoSandbox) return inPods(error);
  if (error instanceof SandboxFailure || error instanceof ApiError)
    return new NoSandbox(`No pods to run programs in: ${error.message}`, { cause: error });
  return error;
}

function inPods(error: NoSandbox): NoSandbox {
  return new NoSandbox(
    `The runner pods cannot be used: ${error.message} What pods need is in the judge’s README: nodes with user ` +
      'namespaces for pods, or a RuntimeClass with a kernel of its own (BACKSIGHT_KUBERNETES_RUNTIME_CLASS).',
    { cause: error },
  );
}
