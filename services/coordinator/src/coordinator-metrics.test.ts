import { describe, expect, it } from '@jest/globals';
import { RunState } from '@backsight/contract/coordinator';
import { createRegistry } from '@backsight/rpc';
import { coordinatorMetrics } from './coordinator-metrics.js';
import type { RunTotals } from './store/runs.js';

describe('coordinatorMetrics', () => {
  it('shows what the store says whenever it is asked, zeros included', async () => {
    let totals: readonly RunTotals[] = [];
    const registry = createRegistry('coordinator');
    const metrics = coordinatorMetrics(registry, { totals: () => Promise.resolve(totals) });
    const figures = async () =>
      Object.fromEntries(
        (await registry.metrics())
          .split('\n')
          .filter((line) => line.startsWith('coordinator_'))
          .map((line) =>
            line
              .replace(/,?room="coordinator"/, '')
              .replace('{}', '')
              .split(' '),
          ),
      ) as Record<string, string>;
    expect(await figures()).toMatchObject({
      'coordinator_runs{state="failed"}': '0',
      coordinator_steps: '0',
    });
    totals = [
      { state: RunState.RUNNING, runs: 2, steps: 7, rollouts: 70 },
      { state: RunState.FAILED, runs: 1, steps: 3, rollouts: 30 },
    ];
    metrics.waited();
    expect(await figures()).toEqual({
      'coordinator_runs{state="pending"}': '0',
      'coordinator_runs{state="running"}': '2',
      'coordinator_runs{state="paused"}': '0',
      'coordinator_runs{state="succeeded"}': '0',
      'coordinator_runs{state="failed"}': '1',
      'coordinator_runs{state="stopped"}': '0',
      coordinator_steps: '10',
      coordinator_rollouts: '100',
      coordinator_waits_total: '1',
    });
  });
});
