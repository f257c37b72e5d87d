import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';

/** One timed run of a side. */
export interface Sample {
  readonly seconds: number;
  /** Seconds of all threads together, which others on the machine hardly change. */
  readonly cpuSeconds: number;
  /** Largest resident memory of the process so far. */
  readonly peakBytes: number;
}

/** A process that loads a model and runs one workload each time it is told to. */
export class Side {
  private failure = '';
  private readonly lines: AsyncIterator<string>;

  private constructor(
    private readonly child: ChildProcess,
    reader: Interface,
  ) {
    this.lines = reader[Symbol.asyncIterator]();
    child.stderr?.on('data', (text: Buffer) => {
      this.failure = (this.failure + text.toString()).slice(-4000);
    });
  }

  /** Starts a program and waits until its model is loaded. */
  static async start(
    command: string,
    args: readonly string[],
    environment: NodeJS.ProcessEnv,
  ): Promise<Side> {
    const child = spawn(command, args, { env: environment, stdio: ['pipe', 'pipe', 'pipe'] });
    const side = new Side(child, createInterface({ input: child.stdout }));
    await side.answer();
    return side;
  }

  async run(): Promise<Sample> {
    this.child.stdin?.write('run\n');
    const answer = await this.answer();
    const { seconds, cpuSeconds, peakBytes } = answer;
    if (typeof seconds !== 'number' || typeof cpuSeconds !== 'number' || typeof peakBytes !== 'number')
      throw new Error(`A side answered ${JSON.stringify(answer)}.`);
    return { seconds, cpuSeconds, peakBytes };
  }

  /** Lets the process end, or ends it. */
  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.child.once('close', resolve));
    this.child.stdin?.end();
    const timer = setTimeout(() => this.child.kill('SIGKILL'), patience);
    await ended;
    clearTimeout(timer);
  }

  private async answer(): Promise<Readonly<Record<string, unknown>>> {
    const next = await this.lines.next();
    if (next.done === true) throw new Error(`A side ended before it answered:\n${this.failure}`);
    const parsed: unknown = JSON.parse(next.value);
    if (!isRecord(parsed)) throw new Error(`A side answered ${next.value}.`);
    return parsed;
  }
}

/** A process may have profiles to write, in milliseconds. */
const patience = 60_000;

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
