/** Chooses which tests of a row decide the reward. */
import type { CodingTask, RewardTests, TaskRow } from './task.js';

/** The split whose rewards train a policy. */
const trainingSplit = 'train';

/**
 * A row as a task. Where it says nothing, training rewards come from public tests, so that feedback explains every
 * reward, and all other splits are judged on all tests. A string says why there is no such task.
 */
export function chooseTests(row: TaskRow): CodingTask | string {
  const rewardTests: RewardTests = row.rewardTests ?? (row.split === trainingSplit ? 'public' : 'all');
  const tests = row.tests.filter(
    ({ hidden }) => rewardTests === 'all' || hidden === (rewardTests === 'hidden'),
  );
  if (tests.length === 0) {
    const why =
      row.rewardTests === undefined ? `the default of split "${row.split}"` : `reward_tests "${rewardTests}"`;
    return `tests: none of the ${row.tests.length} is ${rewardTests}, which ${why} asks for`;
  }
  return { ...row, rewardTests, tests };
}
