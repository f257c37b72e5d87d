/** A mistake or a missing thing that a person can mend: one clear sentence, no stack trace. */
export class UserError extends Error {
  override readonly name = 'UserError';

  constructor(
    message: string,
    /** Process exit code. */
    readonly exitCode: number = 1,
  ) {
    super(message);
  }
}

/**
 * What a room says, where it points to one of its methods by the command that calls it, `"backsight runs" names those there
 * are`, and where it begins with a field by the flag that gives it.
 */
export const inCommands = (sentence: string): string =>
  commands.reduce(
    (words, [method, command]) => words.replaceAll(`; ${method} `, `; "backsight ${command}" `),
    sentence.replace(/^max_attempts: /, '--attempts '),
  );

const commands: readonly (readonly [method: string, command: string])[] = [
  ['ListRuns', 'runs'],
  ['ListCheckpoints', 'checkpoints'],
];

/** Why the file system refused, in plain words, without the name of the file. */
export function plainly(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  const known = words.find(([name]) => name === code)?.[1];
  if (known !== undefined) return known;
  return error instanceof Error ? error.message : String(error);
}

const words: readonly (readonly [code: string, words: string])[] = [
  ['ENOENT', 'there is no such file or folder'],
  ['EISDIR', 'it is a folder'],
  ['ENOTDIR', 'a part of the path is no folder'],
  ['EEXIST', 'there is a file of that name'],
  ['EACCES', 'permission denied'],
  ['EPERM', 'permission denied'],
  ['EROFS', 'it is on a read-only file system'],
  ['ENOSPC', 'the disk is full'],
];
