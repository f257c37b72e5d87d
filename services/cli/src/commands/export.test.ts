import { describe, expect, it } from '@jest/globals';
import { PolicyServiceDefinition, type PolicyServiceImplementation } from '@backsight/contract/policy';
import { createLogger, resourceExhausted, serve, service } from '@backsight/rpc';
import { Command } from 'commander';
import { addExport } from './export.js';

describe('backsight export', () => {
  it('says at once that the disk is full, however long the policy would have programs wait', async () => {
    const full = () => Promise.reject(resourceExhausted('no space left on the disk', 60_000));
    const policy = new Proxy({} as PolicyServiceImplementation, { get: () => full });
    const room = await serve({
      name: 'policy',
      address: '127.0.0.1:0',
      services: [service(PolicyServiceDefinition, policy)],
      logger: createLogger({ name: 'policy', level: 'silent' }),
    });
    const program = new Command().exitOverride();
    addExport(program, {
      output: process.stdout,
      signal: new AbortController().signal,
      environment: {},
    });
    const exported = program.parseAsync(['export', 'mine', '--policy', room.address], { from: 'user' });
    await expect(exported).rejects.toThrow('no space left on the disk');
    await room.shutdown(100);
  });
});
