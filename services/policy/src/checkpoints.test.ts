import { describe, expect, it } from '@jest/globals';
import * as proto from '@backsight/contract/policy';
import { CheckpointError, UnsupportedError } from '@backsight/engine';
import { caughtFailure, caughtViolations } from './caught-failure.js';
import { scriptedCheckpoint } from './scripted-engine.js';
import { roomOfThisFile } from './scripted-room.js';

const room = roomOfThisFile();

describe('policyService checkpoints', () => {
  it('saves, restores, lists and exports by name', async () => {
    expect((await room.client.saveCheckpoint({ name: 'a' })).checkpoint).toEqual({
      ...scriptedCheckpoint,
      name: 'a',
    });
    expect((await room.client.restoreCheckpoint({ name: 'initial' })).checkpoint?.name).toBe('initial');
    expect((await room.client.listCheckpoints({})).checkpoints).toEqual([scriptedCheckpoint]);
    expect(await room.client.exportCheckpoint({ name: 'a' })).toEqual({
      path: '/exports/hugging-face/a',
      version: 5,
    });
  });

  it('saves with how good the weights are, which must be a number', async () => {
    const saved = await room.client.saveCheckpoint({ name: 'a', score: 0.5 });
    expect(saved.checkpoint?.score).toBe(0.5);
    const violations = await caughtViolations(() => room.client.saveCheckpoint({ name: 'a', score: NaN }));
    expect(violations[0]).toMatch(/^score: must be/);
  });

  it('refuses names that are none', async () => {
    for (const name of ['', '../a', 'initial']) {
      expect((await caughtViolations(() => room.client.saveCheckpoint({ name })))[0]).toMatch(/^name: /);
      expect((await caughtViolations(() => room.client.exportCheckpoint({ name })))[0]).toMatch(/^name: /);
    }
    expect((await caughtViolations(() => room.client.restoreCheckpoint({ name: 'a/b' })))[0]).toMatch(
      /^name: "a\/b"/,
    );
  });

  it.each<['missing' | 'invalid' | 'no-space' | 'io', object]>([
    ['missing', { code: 'NOT_FOUND', resource: { kind: 'checkpoint', name: 'a' } }],
    [
      'invalid',
      { code: 'FAILED_PRECONDITION', message: 'checkpoint a: w.safetensors: tensor "t": expected shape' },
    ],
    ['no-space', { code: 'RESOURCE_EXHAUSTED', retryAfterMs: 60_000 }],
    ['io', { code: 'FAILED_PRECONDITION' }],
  ])('answers a checkpoint that is %s with its code', async (reason, failure) => {
    room.script.failure = new CheckpointError({
      reason,
      file: 'w.safetensors',
      tensor: 't',
      problem: 'expected shape',
    });
    expect(await caughtFailure(() => room.client.restoreCheckpoint({ name: 'a' }))).toMatchObject(failure);
    expect(await caughtFailure(() => room.client.saveCheckpoint({ name: 'a' }))).toMatchObject(failure);
  });

  it('exports in the layout that is asked for, if the engine has it', async () => {
    const peft = () => room.client.exportCheckpoint({ name: 'a', layout: proto.ExportLayout.PEFT });
    expect(await peft()).toMatchObject({ path: '/exports/peft/a' });
    room.script.failure = new UnsupportedError('PEFT_EXPORT', 'The policy trains no adapter.');
    expect(await caughtFailure(peft)).toMatchObject({ code: 'UNIMPLEMENTED', reason: 'PEFT_EXPORT' });
  });
});
