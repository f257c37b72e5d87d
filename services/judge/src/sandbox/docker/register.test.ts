import { describe, expect, it } from '@jest/globals';
import { Register } from './register.js';

const container = (id: string) => ({ id });

describe('Register', () => {
  it('tells which containers nobody made here', async () => {
    const register = new Register();
    await register.make(() => Promise.resolve(container('own')));
    expect(await register.strangers(() => Promise.resolve(['own', 'other', 'other']))).toEqual(['other']);
    register.forget('own');
    expect(await register.strangers(() => Promise.resolve(['own']))).toEqual(['own']);
  });

  it('knows one that the daemon shows before it has answered who asked for it', async () => {
    const register = new Register();
    let answer = (_: { readonly id: string }): void => undefined;
    const made = register.make(() => new Promise<{ readonly id: string }>((resolve) => (answer = resolve)));
    const strangers = register.strangers(() => Promise.resolve(['new']));
    setImmediate(() => {
      answer(container('new'));
    });
    expect(await strangers).toEqual([]);
    await made;
  });

  it('knows one that is removed while the daemon lists it, and passes on why one was not made', async () => {
    const register = new Register();
    await register.make(() => Promise.resolve(container('old')));
    const list = () => {
      register.forget('old');
      return Promise.resolve(['old']);
    };
    expect(await register.strangers(list)).toEqual([]);
    await expect(register.make(() => Promise.reject(new Error('full')))).rejects.toThrow('full');
    expect(await register.strangers(() => Promise.resolve([]))).toEqual([]);
  });
});
