import { CheckpointError, type CheckpointErrorReason } from './errors.js';

const noSpace = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);
const missing = new Set(['ENOENT', 'ENOTDIR']);

/** Turns what the file system threw into a `CheckpointError` that names the file; passes every other error through. */
export function fileError(file: string, cause: unknown): Error {
  if (cause instanceof CheckpointError) return cause;
  const code = errorCode(cause);
  if (code === undefined) return cause instanceof Error ? cause : new Error(String(cause), { cause });
  const [reason, problem] = explain(code);
  return new CheckpointError({ reason, file, problem }, { cause });
}

/** The system error code, for example `ENOENT`. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

function explain(code: string): [CheckpointErrorReason, string] {
  if (noSpace.has(code)) return ['no-space', 'no space left on the disk'];
  if (missing.has(code)) return ['missing', 'does not exist'];
  if (code === 'EACCES' || code === 'EPERM') return ['io', 'permission denied'];
  if (code === 'EROFS') return ['io', 'the file system is read-only'];
  if (code === 'EISDIR') return ['invalid', 'is a folder, not a file'];
  return ['io', `the file system answered ${code}`];
}
