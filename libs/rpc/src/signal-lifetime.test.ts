import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from '@jest/globals';
import { EnvironmentServiceDefinition } from '@backsight/contract/environment';
import { connect, createLogger, serve, service } from './index.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

describe('serve and connect', () => {
  it('keep nothing of a call that has ended, though server and connection live on', async () => {
    const signals: WeakRef<AbortSignal>[] = [];
    const server = await serve({
      name: 'test',
      address: '127.0.0.1:0',
      logger: createLogger({ name: 'test', level: 'silent' }),
      services: [
        service(EnvironmentServiceDefinition, {
          describe: (_request, { signal }) => {
            signals.push(new WeakRef(signal));
            return Promise.resolve({});
          },
          listTasks: () => Promise.resolve({}),
          // Leaves the caller's requests unread, as an episode does that ends before its caller.
          play: async function* (requests, { signal }) {
            signals.push(new WeakRef(signal));
            for await (const _ of requests) {
              yield { payload: { $case: 'outcome', value: {} } };
              return;
            }
          },
        }),
      ],
    });
    const { client, close } = connect(EnvironmentServiceDefinition, server.address);
    const requests = async function* () {
      yield* await Promise.resolve([{}, {}, {}]);
    };
    for (let i = 0; i < 50; i++) {
      await client.describe({});
      for await (const _ of client.play(requests()));
    }
    for (let i = 0; i < 5; i++) {
      await delay(10);
      collectGarbage();
    }
    const kept = signals.filter((signal) => signal.deref() !== undefined).length;
    close();
    await server.shutdown(100);
    expect(signals).toHaveLength(100);
    expect(kept).toBeLessThan(10);
  });
});
