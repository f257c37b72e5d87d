/** Builds the room around an engine and serves it. */
import { PolicyServiceDefinition } from '@backsight/contract/policy';
import type { Engine, ModelTexts } from '@backsight/engine';
import { createRegistry, serve, service, type Logger, type StartedRoom } from '@backsight/rpc';
import type { PolicyConfig } from './config.js';
import { policyMetrics } from './policy-metrics.js';
import { policyService } from './policy-service.js';

/** Serves PolicyService over `engine`, which it then owns and closes after the last call. */
export async function startPolicy(
  config: Pick<
    PolicyConfig,
    'address' | 'metricsAddress' | 'maxConnectionAgeMs' | 'maxExamples' | 'maxPendingCompletions'
  >,
  engine: Engine,
  texts: ModelTexts,
  logger: Logger,
): Promise<StartedRoom> {
  const { address, metricsAddress, maxConnectionAgeMs, maxExamples, maxPendingCompletions } = config;
  const registry = createRegistry('policy');
  const metrics = policyMetrics(registry, engine.version);
  const options = { engine, texts, metrics, maxExamples, maxPendingCompletions };
  const services = [service(PolicyServiceDefinition, policyService(options))];
  const server = await serve({
    name: 'policy',
    address,
    services,
    logger,
    registry,
    metricsAddress,
    maxConnectionAgeMs,
  });
  return {
    address: server.address,
    shutdown: async (graceMs) => {
      await server.shutdown(graceMs);
      await engine.close();
    },
  };
}
