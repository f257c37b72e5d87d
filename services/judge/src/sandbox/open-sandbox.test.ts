import { describe, expect, it } from '@jest/globals';
import { printing, scriptedSandbox } from '../judging/scripted-sandbox.js';
import { isolatingKinds, openFirst, type SandboxKind } from './open-sandbox.js';
import { NoSandbox, SandboxFailure } from './sandbox.js';

const sandbox = scriptedSandbox((job) => printing('', job));

describe('openFirst', () => {
  it('takes the next kind where there is none of the one before, and never none', async () => {
    const tried: SandboxKind[] = [];
    const opened = await openFirst((kind) => {
      tried.push(kind);
      if (kind === 'zygote') throw new NoSandbox('No clones here.');
      return Promise.resolve(sandbox);
    });
    expect(opened).toBe(sandbox);
    expect(tried).toEqual(isolatingKinds.slice(0, 2));
    expect(isolatingKinds).not.toContain('none');
  });

  it('says why there is not the first', async () => {
    const refuse = (kind: SandboxKind) => Promise.reject(new NoSandbox(`There is no ${kind}.`));
    await expect(openFirst(refuse)).rejects.toThrow(new NoSandbox(`There is no ${isolatingKinds[0]}.`));
  });

  it('does not take a sandbox that fails for one that is missing', async () => {
    const fail = () => Promise.reject(new SandboxFailure('broke'));
    await expect(openFirst(fail)).rejects.toThrow(SandboxFailure);
  });
});
