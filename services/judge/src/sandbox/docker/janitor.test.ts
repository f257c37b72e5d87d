import { describe, expect, it } from '@jest/globals';
import type Docker from 'dockerode';
import { clearAway, labelsOf } from './janitor.js';
import { nameProcess } from '../owner.js';

describe('clearAway', () => {
  it('removes what was made and never started, however its judge fares, but not before ten minutes', async () => {
    const now = 1_800_000_000_000;
    const containers = [
      { Id: 'old', State: 'created', Created: now / 1000 - 700 },
      { Id: 'new', State: 'created', Created: now / 1000 - 500 },
      { Id: 'runs', State: 'running', Created: now / 1000 - 700 },
    ];
    const labels = labelsOf(await nameProcess());
    const removed: string[] = [];
    const docker = {
      listContainers: () => Promise.resolve(containers.map((each) => ({ ...each, Labels: labels }))),
      getContainer: (id: string) => ({ remove: () => Promise.resolve(removed.push(id)) }),
    } as unknown as Docker;
    expect(await clearAway(docker, now)).toBe(1);
    expect(removed).toEqual(['old']);
  });
});
