/** A container with one slot in it: started, talked to over its streams, given the bounds of a job, and removed. */
import { randomBytes } from 'node:crypto';
import { Duplex, PassThrough } from 'node:stream';
import type Docker from 'dockerode';
import { z } from 'zod';
import { encodeFrame } from '../frames.js';
import { NoSandbox, SandboxFailure } from '../sandbox.js';
import { forwardLines, type SlotChannel, slotCommand } from '../slot-channel.js';
import { SlotProcess } from '../slot-process.js';
import { type ContainerBounds, containerOptions, resourcesOf } from './container-options.js';
import { type Daemon, promptly, reasonOf, statusOf } from './daemon.js';
import { imageSchema, type SandboxImage } from './image.js';
import { makePipes, type Pipes } from './pipes.js';
import type { Register } from './register.js';
import { separate } from './streams.js';

/** How to start one. */
export interface ContainerStart {
  readonly daemon: Daemon;
  /** The language whose toolchain its programs see. */
  readonly language: string;
  readonly user: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly bounds: ContainerBounds;
  /** Talk to the slot through pipes of this machine; otherwise its frames go through the daemon. */
  readonly piped: boolean;
  /** Knows it as long as it has a reason to be there. */
  readonly register: Register;
  /** Gets what the slot writes to standard error, line by line. */
  readonly onComplaint: (line: string) => void;
}

/** Where the image has the room's Python, and its interpreter. */
const folder = '/judge/python';
const interpreter = '/usr/bin/python3';

const introduction = z.object({
  word: z.string(),
  image: imageSchema,
  compiling: z.object({ memoryBytes: z.int(), processes: z.int() }).nullable(),
});

/** A container that takes submissions, one at a time. */
export class SlotContainer {
  /** Submissions so far. */
  uses = 0;
  private removal: Promise<void> | undefined;

  private constructor(
    readonly slot: SlotProcess,
    readonly image: SandboxImage,
    /** What the container needs beside its slot while a program of its language is compiled; undefined where none is. */
    readonly compiling: ContainerBounds | undefined,
    private readonly container: Docker.Container,
    private bounds: ContainerBounds,
    private readonly register: Register,
  ) {}

  /** Starts one. Throws SandboxFailure, or NoSandbox when no sandbox can be made in it; nothing is left then. */
  static async start(start: ContainerStart): Promise<SlotContainer> {
    const { daemon, language, user, labels, bounds, piped, register, onComplaint } = start;
    const settings = { isolation: 'container', user, language, toolchains: {}, bubblewrap: '' };
    // An image of another version may not know of pipes; without, it still says which one it is.
    const command = slotCommand(interpreter, folder, piped ? { ...settings, piped } : settings);
    const { image, runtime, appArmor } = daemon;
    let container: Docker.Container | undefined;
    let pipes: Pipes | undefined;
    try {
      pipes = piped ? await makePipes() : undefined;
      const mounts = pipes?.mounts ?? [];
      const settled = { image, command, user, runtime, labels, bounds, appArmor, mounts };
      container = await register.make(() => daemon.docker.createContainer(containerOptions(settled)));
      const streams = await attach(container, onComplaint);
      const channel = pipes === undefined ? streams : pastDaemon(pipes, streams);
      await container.start();
      const word = randomBytes(16).toString('hex');
      channel.requests.write(encodeFrame({ word }));
      const slot = await SlotProcess.greet(channel);
      const introduced = introduction.parse(slot.greeting);
      if (introduced.word !== word) throw new SandboxFailure('a container answers with another’s word');
      await pipes?.unlink();
      const { image: found, compiling } = introduced;
      return new SlotContainer(slot, found, compiling ?? undefined, container, bounds, register);
    } catch (error) {
      pipes?.close();
      await pipes?.unlink();
      if (container !== undefined) {
        await removeContainer(container);
        register.forget(container.id);
      }
      if (error instanceof NoSandbox) throw nothingIsolates(error, runtime);
      if (statusOf(error) === undefined) throw error;
      throw new SandboxFailure(`Docker starts no container: ${reasonOf(error)}`, { cause: error });
    }
  }

  /** Whether it can take another submission. */
  get usable(): boolean {
    return this.slot.usable && this.removal === undefined;
  }

  /** Gives it these bounds; throws SandboxFailure when it cannot have them, and is of no more use. */
  async bound(bounds: ContainerBounds): Promise<void> {
    const { memoryBytes, processes } = this.bounds;
    if (memoryBytes === bounds.memoryBytes && processes === bounds.processes) return;
    try {
      await this.container.update(resourcesOf(bounds));
      this.bounds = bounds;
    } catch (error) {
      throw new SandboxFailure(`a container cannot be given other bounds: ${reasonOf(error)}`, {
        cause: error,
      });
    }
  }

  /** Kills everything in it and waits until it is gone. */
  async remove(): Promise<void> {
    this.removal ??= removeContainer(this.container);
    await this.removal;
    this.register.forget(this.container.id);
  }
}

/** What the slot says that cannot keep programs apart, in words for whoever runs containers. */
function nothingIsolates(error: NoSandbox, runtime: string | undefined): NoSandbox {
  const [, why = error.message] = /\(([^)]+)\)/.exec(error.message) ?? [];
  const where = runtime === undefined ? 'its containers' : `containers of runtime ${runtime}`;
  return new NoSandbox(
    `Nothing keeps one program from the next in ${where} (${why}): Docker's machine must allow user namespaces, and the ` +
      'runtime mounts inside them.',
    { cause: error },
  );
}

/** Frames take the pipes; complaints, and word of the container's end, still come over its streams. */
function pastDaemon(pipes: Pipes, streams: SlotChannel): SlotChannel {
  streams.answers.resume();
  void streams.ended.then(() => {
    pipes.close();
  });
  return { ...streams, requests: pipes.requests, answers: pipes.answers };
}

/** Its streams, before it runs. */
async function attach(
  container: Docker.Container,
  onComplaint: (line: string) => void,
): Promise<SlotChannel> {
  const stream = await container.attach({
    stream: true,
    stdin: true,
    stdout: true,
    stderr: true,
    // Without it, what is written may never arrive.
    hijack: true,
  });
  if (!(stream instanceof Duplex)) throw new TypeError('a hijacked connection goes both ways');
  const answers = new PassThrough();
  const complaints = new PassThrough();
  separate(stream, answers, complaints);
  forwardLines(complaints, onComplaint);
  const ended = new Promise<void>((done) => {
    stream.once('error', done);
    stream.once('close', done);
    stream.once('end', done);
  });
  return {
    requests: stream,
    answers,
    ended,
    kill: () => {
      void removeContainer(container);
    },
  };
}

/** Removes a container, whatever runs in it, and waits until it is gone; the janitor meets what cannot be removed. */
export async function removeContainer(container: Docker.Container): Promise<void> {
  try {
    await container.remove({ force: true });
  } catch (error) {
    // It is gone already, or on its way, since it removes itself when it ends.
    if (statusOf(error) !== 409) return;
    await promptly(container.wait({ condition: 'removed' })).catch(() => undefined);
  }
}
