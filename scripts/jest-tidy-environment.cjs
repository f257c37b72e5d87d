const { chmodSync, mkdtempSync, readdirSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const HostEnvironment = require('./jest-host-environment.cjs');

/**
 * Gives each test file a folder for temporary files of its own, in which it must leave nothing: a file that does has failed.
 * `os.tmpdir()` and the processes that a test starts read its path from TMPDIR.
 */
module.exports = class TidyEnvironment extends HostEnvironment {
  async setup() {
    await super.setup();
    this.before = process.env.TMPDIR;
    this.folder = mkdtempSync(join(tmpdir(), 'backsight-tests-'));
    // Other users, too, write temporary files: sandboxed programs among them.
    chmodSync(this.folder, 0o1777);
    this.setFolder(this.folder);
  }

  /** A test that fails may well leave something: it is the failure that should be told. */
  handleTestEvent({ name, test }) {
    if (name === 'test_done' && test.errors.length > 0) this.failed = true;
  }

  async teardown() {
    const left = readdirSync(this.folder);
    rmSync(this.folder, { recursive: true, force: true });
    this.setFolder(this.before);
    await super.teardown();
    if (left.length > 0 && !this.failed)
      throw new Error(`The tests left temporary files behind: ${left.join(', ')}`);
  }

  /** In the host's environment, and in the copy that the tests see. */
  setFolder(path) {
    for (const { env } of [process, this.global.process]) {
      if (path === undefined) delete env.TMPDIR;
      else env.TMPDIR = path;
    }
  }
};
