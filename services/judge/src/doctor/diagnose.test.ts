import { describe, expect, it } from '@jest/globals';
import { quietEnding, scriptedSandbox } from '../judging/scripted-sandbox.js';
import { attacks } from '../sandbox/doctor.js';
import { isolatingKinds, type SandboxKind, sandboxKinds } from '../sandbox/open-sandbox.js';
import { NoSandbox, SandboxFailure } from '../sandbox/sandbox.js';
import type { Confinement } from './confinement.js';
import { diagnose, type Diagnosis } from './diagnose.js';
import { printDiagnosis } from './print-diagnosis.js';

const { signal } = new AbortController();
const confinement: Confinement = {
  user: 1000,
  administers: false,
  filtered: false,
  userNamespaces: { unprivileged: false, restrictedByAppArmor: undefined, atMost: undefined },
  maskedProc: [],
  controlGroups: 'v2',
};
/** A sandbox in which one attack says this, and the others are held. */
const saying = (attack: string, said: string) =>
  scriptedSandbox(async function* ({ runs }) {
    yield await Promise.resolve({ kind: 'compiled' });
    for (const run of runs.keys()) {
      const stdout = Buffer.from(attacks[run] === attack ? said : 'held');
      yield { kind: 'ran', run, ending: { ...quietEnding, stdout } };
    }
  });
const sound = () => Promise.resolve(saying('', ''));
const text = (diagnosis: Diagnosis) => printDiagnosis(diagnosis).join('\n');

describe('diagnose', () => {
  it('tells of every kind, takes the first that isolates, and attacks it', async () => {
    const [first, second] = isolatingKinds;
    const opened: SandboxKind[] = [];
    const diagnosis = await diagnose({
      choice: 'auto',
      open: (kind) => {
        opened.push(kind);
        return kind === second ? sound() : Promise.reject(new NoSandbox(`No ${kind} here.`));
      },
      confinement,
      signal,
    });
    expect(diagnosis.sandboxes.map(({ kind }) => kind)).toEqual(sandboxKinds);
    expect(diagnosis).toMatchObject({ chosen: second, holds: true });
    expect(diagnosis.attacks.map(({ attack }) => attack)).toEqual(attacks);
    expect(opened.filter((kind) => kind === second)).toHaveLength(2);
    expect(opened).not.toContain('none');
    expect(text(diagnosis)).toMatch(new RegExp(`^${first} +no +- +No ${first} here\\.$`, 'm'));
    expect(text(diagnosis)).toMatch(new RegExp(`^${second} +yes +none +the judge takes this one$`, 'm'));
    expect(text(diagnosis)).toMatch(/^read_host_file +held$/m);
    expect(text(diagnosis)).toMatch(/\n\nAll \d+ attacks were held: the judge serves\.$/);
  });

  it('says what stands in the way where nothing isolates', async () => {
    const open = (): Promise<never> => Promise.reject(new NoSandbox('No.'));
    const diagnosis = await diagnose({ choice: 'auto', open, confinement, signal });
    expect(diagnosis).toMatchObject({ chosen: undefined, holds: false, attacks: [] });
    expect(diagnosis.advice).toEqual([expect.stringContaining('kernel.unprivileged_userns_clone')]);
    expect(text(diagnosis)).toMatch(/^- kernel\.unprivileged.*\n\nNothing isolates programs here/m);
  });

  it('does not hold when an attack gets through, or the sandbox fails under it', async () => {
    const leaky = () => Promise.resolve(saying('open_socket', 'opens a socket'));
    const breached = await diagnose({ choice: 'auto', open: leaky, confinement, signal });
    expect(breached.holds).toBe(false);
    expect(text(breached)).toMatch(/^open_socket +opens a socket$/m);
    expect(text(breached)).toMatch(/1 of \d+ attacks got through: the judge does not serve\.$/);
    const failing = () =>
      Promise.resolve(
        scriptedSandbox(() => {
          throw new SandboxFailure('broke');
        }),
      );
    const failed = await diagnose({ choice: 'auto', open: failing, confinement, signal });
    expect(failed.holds).toBe(false);
    expect(failed.attacks[0]).toMatchObject({ result: 'the sandbox failed: broke' });
  });

  it('calls nothing sound where nothing isolates because that was asked for', async () => {
    const diagnosis = await diagnose({ choice: 'none', open: sound, confinement, signal });
    expect(diagnosis).toMatchObject({ chosen: 'none', holds: false });
    expect(text(diagnosis)).toMatch(/Nothing is isolated: programs run as the judge itself\.$/);
  });
});
