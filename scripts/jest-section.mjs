/** Runs jest over every room and counts its cases; the tests of whole processes are named `*.e2e.test.ts`. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { root } from './install.mjs';

const endToEndFiles = '\\.e2e\\.test\\.ts$';
/** Two at least: on two cores jest takes one, though half of the tests wait for other processes. */
const workers = Math.max(2, availableParallelism() - 1);

/** Returns `{ passed, failed, skipped }`; a file that cannot run, or none to run, is a failure. */
export function runJest({ endToEnd }) {
  const folder = mkdtempSync(join(tmpdir(), 'backsight-test-'));
  const outputFile = join(folder, 'jest.json');
  try {
    const { error } = spawnSync(
      process.execPath,
      [
        ...['--experimental-vm-modules', '--no-warnings', 'node_modules/jest/bin/jest.js', '--ci'],
        ...['--json', `--outputFile=${outputFile}`],
        ...(endToEnd
          ? ['--runInBand', endToEndFiles]
          : [`--maxWorkers=${workers}`, '--testPathIgnorePatterns', endToEndFiles]),
      ],
      { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] },
    );
    if (error !== undefined) throw error;
    return count(JSON.parse(readFileSync(outputFile, 'utf8')));
  } catch (error) {
    process.stdout.write(`jest gave no result: ${error.message}\n`);
    return { passed: 0, failed: 1, skipped: [] };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function count(results) {
  const skipped = results.testResults.flatMap(({ name, assertionResults }) =>
    assertionResults
      .filter(({ status }) => status === 'pending' || status === 'todo')
      .map(({ fullName }) => `${fullName} (${relative(root, name)})`),
  );
  const broken = results.numRuntimeErrorTestSuites + (results.numTotalTestSuites === 0 ? 1 : 0);
  return { passed: results.numPassedTests, failed: results.numFailedTests + broken, skipped };
}
