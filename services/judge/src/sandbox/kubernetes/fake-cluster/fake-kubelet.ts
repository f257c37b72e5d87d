/** Runs the pods of the fake cluster as processes of this machine: their first process, and what is executed in them. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { PodManifest } from './admission.js';

/** The folder of the room in the image, as settings name it. */
export const roomInImage = '/app/room';
/** Node.js in the image. */
export const nodeInImage = '/usr/local/bin/node';

/** A node with one image: that of this room. */
export class FakeKubelet {
  private readonly processes = new Map<string, Set<ChildProcessWithoutNullStreams>>();

  private constructor(private readonly folder: string) {}

  /** Makes the image from this room's files. */
  static async start(): Promise<FakeKubelet> {
    const folder = await mkdtemp(join(tmpdir(), 'backsight-fake-node-'));
    await chmod(folder, 0o755);
    const room = resolve(import.meta.dirname, '../../../..');
    for (const part of ['python', 'javascript'])
      await cp(join(room, part), join(folder, 'room', part), { recursive: true });
    return new FakeKubelet(folder);
  }

  /** Starts the pod's container; `onEnd` hears how its first process ended, after a while or at once. */
  async run(pod: PodManifest, onEnd: (exitCode: number, why?: string) => void): Promise<void> {
    const { name } = pod.metadata;
    const own = this.ownFolder(name);
    await mkdir(own);
    await chmod(own, 0o777);
    this.processes.set(name, new Set());
    const child = this.spawn(pod, pod.spec.containers[0]?.command ?? []);
    child.stdin.end();
    child.stdout.resume();
    child.stderr.resume();
    child.once('close', (code) => {
      onEnd(code ?? 137);
    });
    await new Promise<void>((done) => {
      child.once('spawn', done);
      child.once('error', (error) => {
        onEnd(128, error.message);
        done();
      });
    });
  }

  /** Starts a command in the pod's container. */
  exec(pod: PodManifest, command: readonly string[]): ChildProcessWithoutNullStreams {
    return this.spawn(pod, command);
  }

  /** What was started in the pod and runs, without what that started in turn. */
  processIds(name: string): readonly number[] {
    return [...(this.processes.get(name) ?? [])].flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
  }

  /** Kills all that runs in the pod, and waits until it is dead. */
  async kill(name: string): Promise<void> {
    const children = [...(this.processes.get(name) ?? [])];
    await Promise.all(
      children.map(
        (child) =>
          new Promise<void>((done) => {
            child.once('close', () => {
              done();
            });
            child.kill('SIGKILL');
          }),
      ),
    );
    this.processes.delete(name);
    await rm(this.ownFolder(name), { recursive: true, force: true });
  }

  /** Kills everything and removes the image. */
  async stop(): Promise<void> {
    await Promise.all([...this.processes.keys()].map((name) => this.kill(name)));
    await rm(this.folder, { recursive: true, force: true });
  }

  private spawn(pod: PodManifest, command: readonly string[]): ChildProcessWithoutNullStreams {
    const { name } = pod.metadata;
    const [program = '', ...rest] = command.map((word) => this.onThisMachine(name, word));
    const { runAsUser, runAsGroup } = pod.spec.securityContext;
    const isRoot = process.getuid?.() === 0;
    const child = spawn(program, rest, {
      cwd: '/',
      env: {
        ...Object.fromEntries(
          (pod.spec.containers[0]?.env ?? []).map(({ name: key, value }) => [key, value]),
        ),
        // What every container gets, asked for or not.
        HOSTNAME: name,
        KUBERNETES_SERVICE_HOST: '10.96.0.1',
        KUBERNETES_SERVICE_PORT: '443',
      },
      ...(isRoot && runAsUser !== undefined && runAsGroup !== undefined
        ? { uid: runAsUser, gid: runAsGroup }
        : {}),
    });
    child.stdin.on('error', () => undefined);
    const mine = this.processes.get(name);
    child.once('spawn', () => mine?.add(child));
    child.once('close', () => mine?.delete(child));
    return child;
  }

  /** What the image, and the pod's own /tmp, are here. */
  private onThisMachine(pod: string, word: string): string {
    return word
      .replaceAll(roomInImage, join(this.folder, 'room'))
      .replaceAll(nodeInImage, process.execPath)
      .replaceAll('/tmp/slots.lock', join(this.ownFolder(pod), 'slots.lock'));
  }

  private ownFolder(pod: string): string {
    return join(this.folder, pod);
  }
}
