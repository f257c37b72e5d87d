import './no-telemetry.js';
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { UnsupportedError } from '@backsight/engine';
import { InferenceSession } from 'onnxruntime-node';
import { Graph } from './graph/graph.js';
import { modelBytes } from './graph/model-bytes.js';
import { add } from './graph/ops/add.js';

/** Where ONNX Runtime runs the graphs. */
export type ExecutionProvider = 'cpu' | 'cuda';

/** What is known of the CUDA provider before anything is loaded. */
export interface CudaSupport {
  /** Whether the files of onnxruntime-node are there. */
  readonly hasFiles: () => boolean;
  /** Loads the provider; rejects with ONNX Runtime's reason. */
  readonly load: () => Promise<void>;
}

/**
 * Resolves if graphs can run there; throws `UnsupportedError` saying what is missing and what to do.
 *
 * A provider that cannot be loaded must not fall back to the CPU in silence: nobody wants to find out after a week.
 */
export async function requireProvider(
  provider: ExecutionProvider,
  cuda: CudaSupport = installedCuda,
): Promise<void> {
  if (provider === 'cpu') return;
  if (!cuda.hasFiles())
    throw unsupported(
      'the CUDA files of onnxruntime-node are not installed; on Linux x64 its install script fetches them ' +
        '(npm rebuild onnxruntime-node --ignore-scripts=false --onnxruntime-node-install=cuda12)',
    );
  try {
    await cuda.load();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw unsupported(`ONNX Runtime cannot load it: ${reason}; it needs a driver, CUDA 12 and cuDNN 9`);
  }
}

function unsupported(problem: string): UnsupportedError {
  return new UnsupportedError('EXECUTION_PROVIDER', `Execution provider cuda: ${problem}, or use cpu.`);
}

const installedCuda: CudaSupport = {
  hasFiles: () => {
    const bin = join(dirname(createRequire(import.meta.url).resolve('onnxruntime-node')), '../bin');
    const place = join(process.platform, process.arch, 'libonnxruntime_providers_cuda.so');
    return existsSync(bin) && readdirSync(bin).some((version) => existsSync(join(bin, version, place)));
  },
  load: async () => {
    const graph = new Graph();
    const value = graph.input('value', 'float32', [1]);
    graph.output('sum', add(graph, value, value));
    const session = await InferenceSession.create(modelBytes(graph), { executionProviders: ['cuda'] });
    await session.release();
  },
};
