import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { findDaemon, reasonOf } from './daemon.js';

let folder = '';
let server: Server | undefined;
let daemons = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'backsight-daemon-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
  server = undefined;
});

/** A daemon that answers with these, by the end of the path; its socket. */
async function daemon(answers: Readonly<Record<string, object>>): Promise<string> {
  const socket = join(folder, `${daemons++}.sock`);
  server = createServer((request, response) => {
    const found = Object.entries(answers).find(([path]) => request.url?.endsWith(path));
    response.statusCode = found === undefined ? 404 : 200;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(found?.[1] ?? { message: 'No such thing' }));
  });
  server.listen(socket);
  await once(server, 'listening');
  return socket;
}

const info = { Runtimes: { runc: {}, runsc: {} }, SecurityOptions: ['name=seccomp,profile=default'] };
const answers = { '/version': { ApiVersion: '1.47' }, '/info': info, '/images/i:1/json': { Id: 'x' } };
const settings = { image: 'i:1', runtime: undefined };

describe('findDaemon', () => {
  it('takes one that answers, has the image, and knows the runtime', async () => {
    const socket = await daemon(answers);
    expect(await findDaemon({ ...settings, socket })).toMatchObject({ image: 'i:1', appArmor: false });
    expect(await findDaemon({ ...settings, socket: `unix://${socket}`, runtime: 'runsc' })).toMatchObject({
      runtime: 'runsc',
    });
  });

  it('notices AppArmor', async () => {
    const socket = await daemon({ ...answers, '/info': { ...info, SecurityOptions: ['name=apparmor'] } });
    expect(await findDaemon({ ...settings, socket })).toMatchObject({ appArmor: true });
  });

  it('says in a sentence what is missing', async () => {
    const nowhere = join(folder, 'none.sock');
    await expect(findDaemon({ ...settings, socket: nowhere })).rejects.toThrow(
      `No Docker to isolate programs with: the daemon at ${nowhere} does not answer (ENOENT). Start it, name another ` +
        'with BACKSIGHT_DOCKER_SOCKET, or choose another BACKSIGHT_SANDBOX.',
    );
    await expect(findDaemon({ ...settings, socket: 'ssh://me@there' })).rejects.toThrow(
      'the daemon at ssh://me@there cannot be reached in this way',
    );
    const socket = await daemon(answers);
    await expect(findDaemon({ ...settings, socket, runtime: 'kata' })).rejects.toThrow(
      'has no runtime kata; it has runc, runsc',
    );
    await expect(findDaemon({ ...settings, socket, image: 'i:2' })).rejects.toThrow(
      `The Docker daemon at ${socket} has no image i:2 to run programs in. Make it with "npm run judge:image", or name ` +
        'another with BACKSIGHT_DOCKER_IMAGE.',
    );
  });

  it('refuses one that is too old', async () => {
    const socket = await daemon({ ...answers, '/version': { ApiVersion: '1.40' } });
    await expect(findDaemon({ ...settings, socket })).rejects.toThrow(
      'speaks version 1.40 of the API, older than 1.41',
    );
  });
});

describe('reasonOf', () => {
  it('is what the daemon said, the system’s code, or the message', () => {
    expect(reasonOf(Object.assign(new Error('(HTTP code 500)'), { json: { message: 'no space\n' } }))).toBe(
      'no space',
    );
    expect(reasonOf(Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }))).toBe('ECONNREFUSED');
    expect(reasonOf(new Error('late'))).toBe('late');
    expect(reasonOf('x')).toBe('x');
  });
});
