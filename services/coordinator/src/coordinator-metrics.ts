/** The coordinator's own figures, read off the store whenever they are scraped, so that a restart does not reset them. */
import { RunState } from '@backsight/contract/coordinator';
import { Counter, Gauge, type Registry } from '@backsight/rpc';
import type { RunStore, RunTotals } from './store/runs.js';

export interface CoordinatorMetrics {
  /** Counts a wait for a room that is away. */
  waited(): void;
}

/** Registers runs by state, the steps and rollouts they have finished, and waits for rooms. */
export function coordinatorMetrics(registry: Registry, runs: Pick<RunStore, 'totals'>): CoordinatorMetrics {
  const registers = [registry];
  const summed = (name: string, help: string, of: (totals: RunTotals) => number): void => {
    new Gauge({
      name,
      help,
      registers,
      async collect() {
        this.set((await runs.totals()).reduce((sum, totals) => sum + of(totals), 0));
      },
    });
  };
  summed('coordinator_steps', 'Steps finished, over all runs.', ({ steps }) => steps);
  summed('coordinator_rollouts', 'Rollouts of finished steps, over all runs.', ({ rollouts }) => rollouts);
  new Gauge({
    name: 'coordinator_runs',
    help: 'Runs by state.',
    labelNames: ['state'],
    registers,
    async collect() {
      const totals = await runs.totals();
      for (const state of states) {
        this.set({ state: word(state) }, totals.find((each) => each.state === state)?.runs ?? 0);
      }
    },
  });
  const waits = new Counter({
    name: 'coordinator_waits_total',
    help: 'Times that a run waited for a room that was away.',
    registers,
  });
  return {
    waited: () => {
      waits.inc();
    },
  };
}

const states = Object.values(RunState).filter((state) => state !== RunState.UNSPECIFIED);

const word = (state: RunState): string => state.replace('RUN_STATE_', '').toLowerCase();
