import { createServer } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { PolicyServiceDefinition } from '@backsight/contract/policy';
import { connect, service, waitUntilServing } from '@backsight/rpc';
import { freePort, scriptedPolicy, withServer } from './index.js';
import './matchers.js';

describe('withServer', () => {
  it('serves while it is used and is gone afterwards, even when the use fails', async () => {
    const policy = service(PolicyServiceDefinition, scriptedPolicy({ answer: () => '' }).implementation);
    let used = '';
    const use = withServer([policy], async (address) => {
      used = address;
      await waitUntilServing(address);
      throw new Error('the test failed');
    });
    await expect(use).rejects.toThrow('the test failed');
    const { client, close } = connect(PolicyServiceDefinition, used, { retry: false });
    await expect(client.describe({})).toFailWith({ code: 'UNAVAILABLE' });
    close();
  });
});

describe('freePort', () => {
  it('names a port that can be listened on', async () => {
    const port = await freePort();
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(port, '127.0.0.1', resolve);
    });
    server.close();
    expect(port).toBeGreaterThan(0);
  });
});
