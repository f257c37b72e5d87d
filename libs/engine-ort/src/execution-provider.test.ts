import { describe, expect, it } from '@jest/globals';
import { UnsupportedError } from '@backsight/engine';
import { requireProvider, type CudaSupport } from './execution-provider.js';

const cuda = (change: Partial<CudaSupport>): CudaSupport => ({
  hasFiles: () => true,
  load: () => Promise.resolve(),
  ...change,
});

describe('requireProvider', () => {
  it('needs nothing for the CPU, and for CUDA files that load', async () => {
    await requireProvider('cpu', cuda({ hasFiles: () => false }));
    await requireProvider('cuda', cuda({}));
  });

  it('says that the files are not there, and how to get them', async () => {
    const absent = requireProvider('cuda', cuda({ hasFiles: () => false }));
    await expect(absent).rejects.toThrow(UnsupportedError);
    await expect(absent).rejects.toThrow(
      /^Execution provider cuda: the CUDA files of onnxruntime-node are not installed; .*cuda12\), or use cpu\.$/,
    );
  });

  it('says why files that are there cannot be loaded', async () => {
    const broken = requireProvider(
      'cuda',
      cuda({ load: () => Promise.reject(new Error('libcudnn.so.9 not found')) }),
    );
    await expect(broken).rejects.toThrow(
      'ONNX Runtime cannot load it: libcudnn.so.9 not found; it needs a driver',
    );
  });

  it('finds out on this machine, one way or the other', async () => {
    const found = await requireProvider('cuda').catch((error: unknown) => error);
    expect(found === undefined || found instanceof UnsupportedError).toBe(true);
  });
});
