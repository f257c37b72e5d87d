/** Builds the room around an engine and serves it, over gRPC and, where it is wanted, over HTTP. */
import { PolicyServiceDefinition } from '@backsight/contract/policy';
import type { Engine, ModelTexts } from '@backsight/engine';
import { createRenderer } from '@backsight/renderer';
import { createRegistry, serve, service, type Logger, type StartedRoom } from '@backsight/rpc';
import { createAdmissions } from './admission.js';
import type { PolicyConfig } from './config.js';
import type { FaceOptions } from './openai/face.js';
import { serveOpenAi, type OpenAiServer } from './openai/server.js';
import { policyMetrics } from './policy-metrics.js';
import { policyService } from './policy-service.js';
import { Follower } from './weights/follower.js';
import { WeightSource } from './weights/weight-source.js';

/** A policy that serves. */
export interface StartedPolicy extends StartedRoom {
  /** Where the OpenAI-compatible face is, if anywhere. */
  readonly openAiAddress: string | undefined;
  /** Where /metrics and /healthz are, if anywhere. */
  readonly metricsAddress: string | undefined;
}

/** What of the settings a policy is started with; those of a follower only where there is one to follow. */
export type StartSettings = Pick<
  PolicyConfig,
  | 'address'
  | 'metricsAddress'
  | 'maxConnectionAgeMs'
  | 'openAiAddress'
  | 'maxExamples'
  | 'maxPendingCompletions'
> &
  (
    | { readonly follow: undefined }
    | Pick<PolicyConfig, 'follow' | 'followIntervalMs' | 'followStaleAfterMs' | 'followType'>
  );

/** Serves PolicyService over `engine`, which it then owns and closes after the last call. */
export async function startPolicy(
  settings: StartSettings,
  engine: Engine,
  texts: ModelTexts,
  logger: Logger,
): Promise<StartedPolicy> {
  const { address, metricsAddress, maxConnectionAgeMs, openAiAddress, maxExamples } = settings;
  const registry = createRegistry('policy');
  const metrics = policyMetrics(registry, engine.version);
  const admissions = createAdmissions(settings.maxPendingCompletions);
  const source = new WeightSource(engine);
  const follower = followerOf(settings, engine, logger);
  const options = { engine, texts, metrics, admissions, source, follower, maxExamples };
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
  const face = await openFace(openAiAddress, texts, { engine, admissions, metrics, follower, logger }).catch(
    async (error: unknown) => {
      await server.shutdown(0);
      throw error;
    },
  );
  server.setServing(follower === undefined);
  follower?.start({
    synced: (version, weightsId) => {
      source.changed(weightsId);
      metrics.versionIs(version);
    },
    stateIs: ({ kind }) => {
      server.setServing(kind === 'fresh');
      metrics.staleIs(kind === 'stale');
    },
  });
  return {
    address: server.address,
    openAiAddress: face?.address,
    metricsAddress: server.metricsAddress,
    shutdown: async (graceMs = 10_000) => {
      await Promise.all([server.shutdown(graceMs), face?.shutdown(graceMs)]);
      await follower?.close();
      await engine.close();
    },
  };
}

function followerOf(settings: StartSettings, engine: Engine, logger: Logger): Follower | undefined {
  if (settings.follow === undefined) return undefined;
  const { follow, followIntervalMs, followStaleAfterMs, followType } = settings;
  const options = {
    trainer: follow,
    intervalMs: followIntervalMs,
    staleAfterMs: followStaleAfterMs,
    type: followType,
  };
  return new Follower(engine, options, logger);
}

async function openFace(
  address: string | undefined,
  texts: ModelTexts,
  options: Omit<FaceOptions, 'renderer'> & { readonly logger: Logger },
): Promise<OpenAiServer | undefined> {
  if (address === undefined) return undefined;
  const renderer = createRenderer({ ...texts, chatTemplate: texts.chatTemplate || noChatTemplate });
  const face = await serveOpenAi(address, { ...options, renderer });
  options.logger.info({ address: face.address }, 'OpenAI-compatible face listening');
  return face;
}

/** A model without a chat template completes texts and refuses conversations. */
const noChatTemplate = "{{ raise_exception('the model has none; /v1/completions takes plain text') }}";
