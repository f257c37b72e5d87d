import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, type IncomingHttpHeaders } from 'node:http2';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it } from '@jest/globals';
import { type RoomProcess, startRoomProcess } from '@backsight/testing';
import { z } from 'zod';
import { rooms } from './design.js';
import { field, frame, grpcProbe, type GrpcProbe } from './grpc-probe.js';
import { workloads } from './manifest.js';
import { parseManifests } from './render.js';

const root = join(import.meta.dirname, '../../..');
const base = join(root, 'deploy/kustomize/base');
const folder = mkdtempSync(join(tmpdir(), 'backsight-probes-'));

/** Where a laptop has what a pod mounts. Probes do not care what isolates. */
const mounts: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  coordinator: { BACKSIGHT_STORE: join(folder, 'store.sqlite') },
  policy: {
    BACKSIGHT_MODEL: join(root, 'models/tiny/weights'),
    BACKSIGHT_CHECKPOINTS: join(folder, 'checkpoints'),
  },
  judge: { BACKSIGHT_TASKS: join(base, 'tasks/coding.jsonl'), BACKSIGHT_SANDBOX: 'none' },
  tools: {},
  science: {},
};

const probeSchema = z.object({ grpc: z.object({ port: z.number(), service: z.string().optional() }) });
const variables = z.array(z.object({ name: z.string(), value: z.string().optional() }));

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Starts a room with the variables of its manifest, on a free port. */
function start(name: string): Promise<RoomProcess> {
  const set = variables.parse(containerOf(name)['env']);
  return startRoomProcess(join(root, 'services', name, 'dist/main.js'), {
    env: {
      PATH: process.env['PATH'],
      ...Object.fromEntries(set.map(({ name: key, value }) => [key, value])),
      ...mounts[name],
      [`BACKSIGHT_${name.toUpperCase()}_ADDRESS`]: '127.0.0.1:0',
    },
  });
}

function containerOf(name: string): Readonly<Record<string, unknown>> {
  const workload = workloads(parseManifests(readFileSync(join(base, `${name}.yaml`), 'utf8')))[0];
  const container = workload?.spec.template.spec.containers.find((each) => each.name === name);
  if (container === undefined) throw new Error(`${name}.yaml has no container ${name}`);
  return container;
}

/** What a probe of the manifest asks, at the port where the room listens here. */
function probeOf(room: string, probe: string, address: string): GrpcProbe {
  const { service } = probeSchema.parse(containerOf(room)[probe]).grpc;
  return { service, port: Number(address.split(':').at(-1)) };
}

describe('the probes of the base', () => {
  it.each(Object.keys(rooms))('are answered by the %s room until it is told to stop', async (name) => {
    const room = await start(name);
    try {
      for (const probe of ['startupProbe', 'readinessProbe', 'livenessProbe']) {
        expect(await grpcProbe('127.0.0.1', probeOf(name, probe, room.address))).toBe('serving');
      }
      expect(await room.stop()).toEqual({ code: 0, signal: null });
      expect(await grpcProbe('127.0.0.1', probeOf(name, 'readinessProbe', room.address))).toBe('no answer');
    } finally {
      await room.stop('SIGKILL');
    }
  });

  it('fail while a room drains, and the call in flight ends as it would have', async () => {
    const room = await start('tools');
    const session = connect(`http://${room.address}`);
    try {
      const episode = session.request({
        ':method': 'POST',
        ':path': '/backsight.environment.v1.EnvironmentService/Play',
        'content-type': 'application/grpc',
        te: 'trailers',
      });
      const open = field(1, field(1, Buffer.from('tooluse/4046')));
      episode.write(frame(open));
      await once(episode, 'data');
      const probe = probeOf('tools', 'readinessProbe', room.address);
      expect(await grpcProbe('127.0.0.1', probe)).toBe('serving');

      room.signal('SIGTERM');
      while ((await grpcProbe('127.0.0.1', probe)) === 'serving') await delay(5);
      const action = field(2, field(1, Buffer.from('Action: getRandomAxolotlImage\nAction Input: {}')));
      const status = new Promise((resolve) => {
        episode.resume().once('trailers', (trailers: IncomingHttpHeaders) => {
          resolve(trailers['grpc-status']);
        });
      });
      episode.end(frame(action));
      expect(await status).toBe('0');
      expect(await room.ended).toEqual({ code: 0, signal: null });
    } finally {
      session.destroy();
      await room.stop('SIGKILL');
    }
  });
});

describe('grpcProbe', () => {
  it('knows a service that the server has from one that it has not', async () => {
    const room = await start('tools');
    const port = Number(room.address.split(':').at(-1));
    const service = 'backsight.environment.v1.EnvironmentService';
    expect(await grpcProbe('127.0.0.1', { port, service })).toBe('serving');
    expect(await grpcProbe('127.0.0.1', { port, service: 'x.Y' })).toBe('unknown service');
    await room.stop();
  });

  it('takes silence and another protocol for no answer', async () => {
    const silent = createServer(() => undefined);
    const web = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    for (const server of [silent, web]) {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const bound = server.address();
      const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
      expect(await grpcProbe('127.0.0.1', { port }, 200)).toBe('no answer');
      server.close();
    }
  });
});
