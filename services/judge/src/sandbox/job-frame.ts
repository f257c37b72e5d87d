/** A job as a slot reads it: a frame of its header and all its bytes (python/supervisor.py). */
import { encodeFrame } from './frames.js';
import type { SandboxJob, SandboxRun } from './sandbox.js';

/** The frame of a job, with what its program was compiled to before; `announce` is as in SlotProcess.execute. */
export function encodeJob(job: SandboxJob, artefact: Uint8Array, announce: boolean): Buffer {
  const { language, source, files, runs, limits } = job;
  const sourceBytes = Buffer.from(source);
  const payloads = runs.map(payload);
  const header = {
    language,
    limits,
    arguments: job.arguments ?? [],
    sourceBytes: sourceBytes.length,
    artefactBytes: artefact.length,
    files: files.map(({ path, content }) => ({ path, bytes: content.length })),
    runs: runs.map(({ kind }, index) => ({ kind, bytes: payloads[index]?.length ?? 0 })),
    announce,
  };
  return encodeFrame(header, [sourceBytes, artefact, ...files.map(({ content }) => content), ...payloads]);
}

function payload(run: SandboxRun): Uint8Array {
  switch (run.kind) {
    case 'stdio':
      return run.input;
    case 'call':
      return Buffer.from(
        `{"function":${JSON.stringify(run.name)},"arguments":[${run.argumentsJson.join(',')}]}`,
      );
    case 'check':
      return Buffer.from(`${run.token}\n${run.code}`);
    case 'dialogue':
      return Buffer.alloc(0);
  }
}
