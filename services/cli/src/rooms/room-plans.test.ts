import { describe, expect, it } from '@jest/globals';
import { largePages } from '@backsight/engine';
import type { HouseOptions } from './house-options.js';
import { roomPlans } from './room-plans.js';

const address = '127.0.0.1:0';
const addresses = {
  coordinator: address,
  policy: address,
  judge: address,
  tools: address,
  science: address,
};
const options: HouseOptions = {
  model: 'model',
  tasks: [],
  toolTasks: [],
  scienceTasks: [],
  dataFolder: 'data',
  port: 7100,
};

describe('roomPlans', () => {
  it('asks for large pages for whoever holds weights, and for nobody else', () => {
    const plans = roomPlans(['coordinator', 'judge', 'policy'], options, { addresses, followers: [address] });
    const asking = plans.flatMap(({ room, name = room, defaults }) =>
      defaults?.['GLIBC_TUNABLES'] === largePages.GLIBC_TUNABLES ? [name] : [],
    );
    expect(asking).toEqual(['policy', 'follower-1']);
  });
});
