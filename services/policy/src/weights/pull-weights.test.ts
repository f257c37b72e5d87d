import { describe, expect, it } from '@jest/globals';
import { DataType } from '@backsight/contract/policy';
import { caughtFailure } from '../caught-failure.js';
import { roomOfThisFile } from '../scripted-room.js';

const room = roomOfThisFile();

describe('policyService pullWeights', () => {
  const pull = (request: object) =>
    caughtFailure(async () => {
      for await (const _ of room.client.pullWeights(request));
    });

  it('refuses a type it does not send', async () => {
    expect(await pull({ dtype: DataType.FLOAT16 })).toMatchObject({
      code: 'INVALID_ARGUMENT',
      violations: [{ field: 'dtype' }],
    });
  });

  it('refuses a base it does not keep', async () => {
    const failure = await pull({ baseVersion: 0, baseChecksum: new Uint8Array(32) });
    expect(failure).toMatchObject({ code: 'FAILED_PRECONDITION' });
    expect(failure.message).toContain('ask for the whole');
  });
});
