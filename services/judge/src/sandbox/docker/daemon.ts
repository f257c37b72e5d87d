/** The Docker daemon: found, asked what it can do, and its failures worded. */
import Docker from 'dockerode';
import { z } from 'zod';
import { NoSandbox } from '../sandbox.js';
import { isDaemonAddress } from './daemon-address.js';

/** What the settings say of it. */
export interface DaemonSettings {
  /** `/path`, `unix:///path` or `tcp://host:port`. */
  readonly socket: string;
  readonly image: string;
  /** A runtime that the daemon knows, for example `kata`; by default its own. */
  readonly runtime: string | undefined;
}

/** A daemon that answers, has the image and knows the runtime. */
export interface Daemon extends DaemonSettings {
  readonly docker: Docker;
  readonly appArmor: boolean;
}

/** The oldest that takes what a hardened container asks for: Docker 20.10. */
const oldestApi = [1, 41] as const;
const answerMs = 10_000;
const daemonInfo = z.object({
  Runtimes: z.record(z.string(), z.unknown()),
  SecurityOptions: z.array(z.string()).nullish(),
});

/** Finds it. Throws NoSandbox, with one sentence, where it is missing or lacks something. */
export async function findDaemon(settings: DaemonSettings): Promise<Daemon> {
  const { socket, image, runtime } = settings;
  const noDaemon = (why: string): NoSandbox =>
    new NoSandbox(
      `No Docker to isolate programs with: the daemon at ${socket} ${why}. ` +
        'Start it, name another with BACKSIGHT_DOCKER_SOCKET, or choose another BACKSIGHT_SANDBOX.',
    );
  const docker = clientOf(socket);
  const { version, silence } = await greet(socket, docker);
  if (version === undefined) throw noDaemon(silence);
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major < oldestApi[0] || (major === oldestApi[0] && minor < oldestApi[1]))
    throw noDaemon(`speaks version ${version} of the API, older than ${oldestApi.join('.')}`);
  const { Runtimes, SecurityOptions } = daemonInfo.parse(await promptly(docker.info()));
  const runtimes = Object.keys(Runtimes);
  if (runtime !== undefined && !runtimes.includes(runtime))
    throw noDaemon(`has no runtime ${runtime}; it has ${runtimes.join(', ')}`);
  await promptly(docker.getImage(image).inspect()).catch((error: unknown) => {
    if (statusOf(error) !== 404) throw noDaemon(`does not show its image ${image} (${reasonOf(error)})`);
    throw new NoSandbox(
      `The Docker daemon at ${socket} has no image ${image} to run programs in. ` +
        'Make it with "npm run judge:image", or name another with BACKSIGHT_DOCKER_IMAGE.',
    );
  });
  return {
    ...settings,
    docker,
    appArmor: (SecurityOptions ?? []).some((option) => option.startsWith('name=apparmor')),
  };
}

/** The version of the API that the daemon speaks, or why it does not answer, to complete "The daemon at ... ". */
export async function greet(
  socket: string,
  docker: Docker,
): Promise<
  | { readonly version: string; readonly silence?: undefined }
  | { readonly version?: undefined; readonly silence: string }
> {
  if (!isDaemonAddress(socket)) return { silence: 'cannot be reached in this way' };
  try {
    return { version: (await promptly(docker.version())).ApiVersion };
  } catch (error) {
    return { silence: `does not answer (${reasonOf(error)})` };
  }
}

/** A client of the daemon there; nothing is asked of it yet. */
export function clientOf(socket: string): Docker {
  const [, host, port] = /^(?:tcp|http):\/\/([^/:]+|\[[^\]]+\]):(\d+)\/?$/.exec(socket) ?? [];
  if (host !== undefined) return new Docker({ protocol: 'http', host, port: Number(port) });
  return new Docker({ socketPath: socket.replace(/^unix:\/\//, '') });
}

const refusal = z.object({
  statusCode: z.number().optional(),
  json: z.object({ message: z.string() }).optional(),
  code: z.string().optional(),
  message: z.string().optional(),
});

/** The HTTP status of a refusal of the daemon; undefined for other errors. */
export function statusOf(error: unknown): number | undefined {
  return refusal.safeParse(error).data?.statusCode;
}

/** What went wrong, in a few words: what the daemon said, or the system's code. */
export function reasonOf(error: unknown): string {
  const { json, code, message } = refusal.safeParse(error).data ?? {};
  return json?.message.trim() ?? code ?? message ?? String(error);
}

/** An answer of the daemon, or an error after so long. */
export async function promptly<T>(answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`no answer within ${answerMs / 1000} s`));
    }, answerMs);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
