import { describe, expect, it } from '@jest/globals';
import { adapterOf } from './adapter.js';
import { readConfig } from './config.js';

const ask = (settings: Record<string, string>) =>
  adapterOf(readConfig({ BACKSIGHT_MODEL: '/model', ...settings }));

describe('adapterOf', () => {
  it('asks for none by default', () => {
    expect(ask({})).toBeUndefined();
  });

  it('asks for a new one of every matrix, with twice the rank as alpha', () => {
    expect(ask({ BACKSIGHT_ADAPTER_RANK: '8' })).toEqual({
      kind: 'fresh',
      rank: 8,
      alpha: 16,
      targets: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'],
      seed: 0,
    });
  });

  it('takes alpha, targets and seed as they are set', () => {
    const settings = {
      BACKSIGHT_ADAPTER_RANK: '4',
      BACKSIGHT_ADAPTER_ALPHA: '4.5',
      BACKSIGHT_ADAPTER_TARGETS: 'q_proj, v_proj',
      BACKSIGHT_ADAPTER_SEED: '3',
    };
    expect(ask(settings)).toMatchObject({ alpha: 4.5, targets: ['q_proj', 'v_proj'], seed: 3 });
  });

  it('asks for one in a folder', () => {
    expect(ask({ BACKSIGHT_ADAPTER: '/adapter' })).toEqual({ kind: 'folder', folder: '/adapter' });
  });

  it.each([
    [{ BACKSIGHT_ADAPTER: '/a', BACKSIGHT_ADAPTER_RANK: '4' }, 'has a rank, an alpha and targets of its own'],
    [{ BACKSIGHT_ADAPTER: '/a', BACKSIGHT_ADAPTER_TARGETS: 'q_proj' }, 'targets of its own'],
    [{ BACKSIGHT_ADAPTER_ALPHA: '4' }, 'BACKSIGHT_ADAPTER_ALPHA needs BACKSIGHT_ADAPTER_RANK'],
    [{ BACKSIGHT_ADAPTER_TARGETS: 'q_proj' }, 'BACKSIGHT_ADAPTER_TARGETS needs BACKSIGHT_ADAPTER_RANK'],
    [{ BACKSIGHT_ADAPTER_RANK: '4', BACKSIGHT_POLICY_FOLLOW: '127.0.0.1:7101' }, 'excludes an adapter'],
  ])('refuses %j', (settings, message) => {
    expect(() => ask(settings)).toThrow(message);
  });
});
