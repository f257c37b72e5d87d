import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { runToEnd } from '@backsight/testing';
import { whyNoSandbox } from '../sandbox/real-sandbox.js';

const main = join(import.meta.dirname, '../../dist/doctor/main.js');
/** Of a machine that others use, too. */
const timeoutMs = 60_000;
const env = { BACKSIGHT_JUDGE_LANGUAGES: 'python,javascript' };
/** A user namespace with no capability left, in which no other can be made. */
const jail =
  'unshare --user --map-root-user sh -c ' +
  "'echo 0 > /proc/sys/user/max_user_namespaces && " +
  'exec setpriv --bounding-set=-all --inh-caps=-all --ambient-caps=-all "$@"\' sh';
const jailed = spawnSync('sh', ['-c', `${jail} true`]).status === 0;
const missing = await whyNoSandbox();

describe('npm run doctor:judge', () => {
  const where = missing === undefined ? it : it.skip;

  where(
    'tells what isolates here',
    async () => {
      const told = await runToEnd(main, { env, timeoutMs });
      expect(told).toMatchObject({ code: 0, stderr: '' });
      expect(told.stdout).toMatch(/^zygote +yes +(?:control_groups|namespaces)/m);
      expect(told.stdout).toMatch(/All \d+ attacks were held: the judge serves\.\n$/);
    },
    timeoutMs,
  );

  where(
    'tells programs the same',
    async () => {
      const args = ['--json', '--sandbox=zygote'];
      const { code, stdout } = await runToEnd(main, { env, args, timeoutMs });
      expect(code).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({ chosen: 'zygote', holds: true });
    },
    timeoutMs,
  );

  (jailed ? it : it.skip)(
    'names what stands in the way where nothing isolates (needs unshare and setpriv)',
    () => {
      const line = `${jail} '${process.execPath}' '${main}'`;
      // Whatever daemon the tests are given.
      const { BACKSIGHT_DOCKER_SOCKET: _daemon, ...surroundings } = process.env;
      const { status, stdout } = spawnSync('sh', ['-c', line], { encoding: 'utf8', env: surroundings });
      expect(status).toBe(1);
      expect(stdout).toMatch(/^zygote +no +- +Nothing isolates programs here \(.*as yourself\.$/m);
      expect(stdout).toMatch(/^- user\.max_user_namespaces is 0/m);
      expect(stdout).toMatch(/\nNothing isolates programs here: the judge does not serve\.\n$/);
    },
    timeoutMs,
  );

  it(
    'exits with 1 where nothing is isolated because that was asked for, or a setting is wrong',
    async () => {
      const none = await runToEnd(main, { env, args: ['--sandbox=none'], timeoutMs });
      expect(none).toMatchObject({ code: 1, stderr: '' });
      const wrong = await runToEnd(main, { env: { BACKSIGHT_JUDGE_SLOTS: 'many' }, timeoutMs });
      expect(wrong).toMatchObject({ code: 1, stdout: '' });
      expect(wrong.stderr).toMatch(/^doctor: .*BACKSIGHT_JUDGE_SLOTS/);
    },
    timeoutMs,
  );
});
