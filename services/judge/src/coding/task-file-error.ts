/** What is wrong with task files. */

/** Task files that cannot be used: one line per problem, the first twenty. */
export class TaskFileError extends Error {
  override readonly name = 'TaskFileError';
  constructor(readonly problems: readonly string[]) {
    const more = problems.length - mostProblems;
    super([...problems.slice(0, mostProblems), ...(more > 0 ? [`... and ${more} more`] : [])].join('\n'));
  }
}

const mostProblems = 20;
