/** Builds the room around an engine and serves it, over gRPC and, where it is wanted, over HTTP. */
import { PolicyServiceDefinition } from '@backsight/contract/policy';
import type { Engine, ModelTexts } from '@backsight/engine';
import { createRenderer } from '@backsight/renderer';
import { createRegistry, serve, service, type Logger, type StartedRoom } from '@backsight/rpc';
import { createAdmissions } from './admission.js';
import type { PolicyConfig } from './config.js';
import { serveOpenAi, type OpenAiServer } from './openai/server.js';
import { policyMetrics } from './policy-metrics.js';
import { policyService } from './policy-service.js';

/** A policy that serves. */
export interface StartedPolicy extends StartedRoom {
  /** Where the OpenAI-compatible face is, if anywhere. */
  readonly openAiAddress: string | undefined;
}

/** Serves PolicyService over `engine`, which it then owns and closes after the last call. */
export async function startPolicy(
  config: Pick<
    PolicyConfig,
    | 'address'
    | 'metricsAddress'
    | 'maxConnectionAgeMs'
    | 'openAiAddress'
    | 'maxExamples'
    | 'maxPendingCompletions'
  >,
  engine: Engine,
  texts: ModelTexts,
  logger: Logger,
): Promise<StartedPolicy> {
  const { address, metricsAddress, maxConnectionAgeMs, maxExamples, maxPendingCompletions } = config;
  const registry = createRegistry('policy');
  const metrics = policyMetrics(registry, engine.version);
  const admissions = createAdmissions(maxPendingCompletions);
  const options = { engine, texts, metrics, admissions, maxExamples };
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
  const face = await openFace().catch(async (error: unknown) => {
    await server.shutdown(0);
    throw error;
  });
  return {
    address: server.address,
    openAiAddress: face?.address,
    shutdown: async (graceMs = 10_000) => {
      await Promise.all([server.shutdown(graceMs), face?.shutdown(graceMs)]);
      await engine.close();
    },
  };

  async function openFace(): Promise<OpenAiServer | undefined> {
    if (config.openAiAddress === undefined) return undefined;
    const renderer = createRenderer({ ...texts, chatTemplate: texts.chatTemplate || noChatTemplate });
    const opened = await serveOpenAi(config.openAiAddress, { engine, renderer, admissions, metrics, logger });
    logger.info({ address: opened.address }, 'OpenAI-compatible face listening');
    return opened;
  }
}

/** A model without a chat template completes texts and refuses conversations. */
const noChatTemplate = "{{ raise_exception('the model has none; /v1/completions takes plain text') }}";
