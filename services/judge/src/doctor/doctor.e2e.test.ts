import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { runToEnd } from '@backsight/testing';
import { whyNoSandbox } from '../sandbox/real-sandbox.js';

const main = join(import.meta.dirname, '../../dist/doctor/main.js');
/** Of a machine that others use, too. */
const timeoutMs = 60_000;
const missing = await whyNoSandbox();

describe('npm run doctor:judge', () => {
  (missing === undefined ? it : it.skip)(
    'tells what isolates here, for people and for programs',
    async () => {
      const told = await runToEnd(main, { timeoutMs });
      expect(told).toMatchObject({ code: 0, stderr: '' });
      expect(told.stdout).toMatch(/^zygote +yes +(?:control_groups|namespaces)/m);
      expect(told.stdout).toMatch(/All \d+ attacks were held: the judge serves\.\n$/);
      const { code, stdout } = await runToEnd(main, { args: ['--json', '--sandbox=zygote'], timeoutMs });
      expect(code).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({ chosen: 'zygote', holds: true });
    },
  );

  it(
    'exits with 1 where it would not serve, or cannot look',
    async () => {
      const none = await runToEnd(main, { args: ['--sandbox=none'], timeoutMs });
      expect(none).toMatchObject({ code: 1, stderr: '' });
      const wrong = await runToEnd(main, { env: { BACKSIGHT_JUDGE_SLOTS: 'many' } });
      expect(wrong).toMatchObject({ code: 1, stdout: '' });
      expect(wrong.stderr).toMatch(/^doctor: .*BACKSIGHT_JUDGE_SLOTS/);
    },
    timeoutMs,
  );
});
