import '../no-telemetry.js';
import { Worker } from 'node:worker_threads';
import type { Engine } from '@backsight/engine';
import type { OrtEngineOptions } from '../engine-options.js';
import type { FromThread, LoadMessage, VersionCell } from './messages.js';
import { unpackError } from './packed-error.js';
import { RemoteEngine } from './remote-engine.js';

/**
 * Loads an engine in a thread of its own, for a process that must answer while the engine computes: ONNX Runtime blocks the
 * thread that runs it. Otherwise as `loadOrtEngine`.
 *
 * An error in the thread that nobody expected ends the process, as it would without a thread.
 */
export async function loadOrtEngineThread({ logger, ...options }: OrtEngineOptions): Promise<Engine> {
  const version: VersionCell = new BigInt64Array(new SharedArrayBuffer(8));
  const worker = new Worker(new URL('./worker.js', import.meta.url));
  const ended = new Promise((resolve) => worker.once('exit', resolve));
  const load: LoadMessage = { options, version };
  worker.postMessage(load);
  return new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.on('message', (message: FromThread) => {
      switch (message.kind) {
        case 'ready':
          worker.off('error', reject);
          resolve(new RemoteEngine(worker, message.card, message.info, version, ended));
          break;
        case 'refused':
          reject(unpackError(message.error));
          break;
        case 'log':
          logger?.[message.level](message.fields, message.message);
          break;
      }
    });
  });
}
