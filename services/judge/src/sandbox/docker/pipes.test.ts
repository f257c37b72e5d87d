import { constants } from 'node:fs';
import { access, mkdir, mkdtemp, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';
import { nameProcess } from '../owner.js';
import { findLostPipes, makePipes } from './pipes.js';

/** As a slot opens them, where the daemon has put them. */
async function openAsSlot(mounts: Awaited<ReturnType<typeof makePipes>>['mounts']) {
  const [requests = '', answers = ''] = mounts.map(({ Source }) => Source);
  return {
    requests: await open(requests, constants.O_RDONLY),
    answers: await open(answers, constants.O_WRONLY),
    folder: dirname(requests),
  };
}

describe('makePipes', () => {
  it('carries both ways what is larger than a pipe holds, also when its names are gone', async () => {
    const pipes = await makePipes();
    const slot = await openAsSlot(pipes.mounts);
    await pipes.unlink();
    await expect(access(slot.folder)).rejects.toThrow();
    const large = 'x'.repeat(1 << 20);
    const heard = text(slot.requests.createReadStream());
    pipes.requests.write(large);
    const said = new Promise<string>((resolve) => {
      let all = '';
      pipes.answers.on('data', (piece: Buffer) => {
        all += piece.toString();
        if (all.length === large.length) resolve(all);
      });
    });
    const answering = slot.answers.createWriteStream();
    answering.write(large);
    expect(await said).toBe(large);
    // The slot's requests end with the judge, however that ends: nobody else holds them.
    pipes.requests.end(() => {
      pipes.close();
    });
    expect(await heard).toBe(large);
    await new Promise((resolve) => {
      answering.close(resolve);
    });
  });

  it('lets no other user of the machine near them, and leaves nothing', async () => {
    const pipes = await makePipes();
    const folder = dirname(pipes.mounts[0]?.Source ?? '');
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    expect(pipes.mounts).toMatchObject([
      { Type: 'bind', Target: '/judge/requests', ReadOnly: true },
      { Type: 'bind', Target: '/judge/answers', ReadOnly: true },
    ]);
    pipes.close();
    await pipes.unlink();
    await expect(access(folder)).rejects.toThrow();
  });
});

describe('findLostPipes', () => {
  it('finds those of judges that are dead, and of no others', async () => {
    const parent = await mkdtemp(join(tmpdir(), 'backsight-pipes-test-'));
    const own = await nameProcess();
    // The same process id at another time.
    const dead = `${own.slice(0, own.lastIndexOf('.'))}.1`;
    const names = [own, dead, 'another.1.2.3'].map((owner) => `backsight-pipes.${owner}.AbCdEf`);
    try {
      for (const name of names) await mkdir(join(parent, name));
      expect(await findLostPipes(parent)).toEqual([join(parent, names[1] ?? '')]);
    } finally {
      await rm(parent, { recursive: true });
    }
  });
});
