import { spawn } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import { isDead, nameProcess } from './owner.js';

describe('isDead', () => {
  it('tells a process that lives from one that has ended', async () => {
    expect(await isDead(await nameProcess())).toBe(false);
    const child = spawn('/bin/sleep', ['60'], { stdio: 'ignore' });
    const name = await nameProcess(child.pid);
    expect(await isDead(name)).toBe(false);
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('close', resolve));
    expect(await isDead(name)).toBe(true);
  });

  it('takes a later process of the same id for another', async () => {
    const name = await nameProcess();
    expect(await isDead(name.replace(/\d+$/, '1'))).toBe(true);
  });

  it('says nothing of processes that cannot be seen from here, nor of names it does not know', async () => {
    const [boot = '', namespace = '', , started = ''] = (await nameProcess()).split('.');
    expect(await isDead(['another-boot', namespace, 4_194_305, started].join('.'))).toBe(false);
    expect(await isDead([boot, '1', 4_194_305, started].join('.'))).toBe(false);
    expect(await isDead('somebody')).toBe(false);
    expect(await isDead('')).toBe(false);
  });
});
