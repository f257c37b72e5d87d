import { describe, expect, it } from '@jest/globals';
import { readConfig } from './config.js';

describe('readConfig', () => {
  it('needs a model and has a default for everything else', () => {
    expect(() => readConfig({})).toThrow(/^BACKSIGHT_MODEL must be set/);
    const config = readConfig({ BACKSIGHT_MODEL: '/models/tiny' });
    expect(config).toMatchObject({ model: '/models/tiny', address: '127.0.0.1:7101', logLevel: 'info' });
    expect(Object.isFrozen(config)).toBe(true);
  });

  it('says everything that is wrong at once, one line each', () => {
    const wrong = { BACKSIGHT_MODEL: 'm', BACKSIGHT_THREADS: '0', BACKSIGHT_GENERATION_SLOTS: 'many' };
    expect(() => readConfig(wrong)).toThrow(
      'BACKSIGHT_THREADS must be a whole number in [1, 256], not "0"\n' +
        'BACKSIGHT_GENERATION_SLOTS must be a whole number in [1, 4096], not "many"',
    );
  });
});
