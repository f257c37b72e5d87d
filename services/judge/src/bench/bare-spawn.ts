/** The yardstick: a bare `python3` process per test, with no isolation, no limits and no accounting. */
import { spawn } from 'node:child_process';
import type { Workload } from './workloads.js';

/** Runs the program once per test, one after another, and checks what it printed. */
export async function spawnBare(python: string, { source, inputs, outputs }: Workload): Promise<void> {
  for (const [index, input] of inputs.entries()) {
    const said = await runBare(python, source, input);
    if (said !== outputs[index]) throw new Error(`bare python3 printed ${JSON.stringify(said)}`);
  }
}

function runBare(python: string, source: string, input: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(python, ['-c', source], { env: {}, stdio: ['pipe', 'pipe', 'inherit'] });
    const pieces: Buffer[] = [];
    child.stdout.on('data', (piece: Buffer) => pieces.push(piece));
    child.once('error', reject);
    child.once('close', () => {
      resolve(Buffer.concat(pieces).toString());
    });
    child.stdin.end(input);
  });
}
