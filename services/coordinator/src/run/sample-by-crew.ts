/**
 * Samples a batch with a crew: in shares of one prompt, each by whoever is least loaded. What a follower that goes away still owes
 * is asked for again elsewhere, with the same seed.
 */
import type { Completion } from '@backsight/contract/policy';
import { random } from '@backsight/sdpo';
import { Waits } from '../rooms/patience.js';
import { deadlines } from '../rooms/rooms.js';
import { packSampling } from '../rooms/wire.js';
import type { Crew, Sampler } from './crew.js';
import { merged } from './merged.js';
import type { Players } from './players.js';
import type { Batch, Draw } from './draw.js';

/** Those whom sampling needs. */
export type SamplingParty = Pick<Players, 'policy' | 'patience'> & { readonly crew: Crew };

/** Yields each completion as it ends, each once. */
export async function* sampleByCrew(
  party: SamplingParty,
  batch: Batch,
  draw: Draw,
): AsyncGenerator<Completion, void, void> {
  const scope = new AbortController();
  const signal = AbortSignal.any([party.patience.signal, scope.signal]);
  const shares = sharesOf(batch, party.crew.size, draw.seed);
  const part = Math.ceil((batch.prompts.length * batch.groupSize) / party.crew.size);
  yield* merged(
    shares.map((share) => sampleShare(party, share, part, draw, signal)),
    () => {
      scope.abort();
    },
  );
}

/** Some completions of one prompt. */
interface Share {
  readonly promptIndex: number;
  /** Shape [P]. */
  readonly tokenIds: readonly number[];
  readonly firstSample: number;
  readonly samples: number;
  /** Draws the share alike, whoever samples it. */
  readonly seed: number;
}

/** At least two shares for each follower, as far as there are samples. */
function sharesOf({ prompts, groupSize }: Batch, followers: number, seed: number): readonly Share[] {
  const parts = Math.min(groupSize, Math.max(1, Math.ceil((2 * followers) / prompts.length)));
  return prompts.flatMap((tokenIds, promptIndex) =>
    Array.from({ length: parts }, (_, part) => {
      const firstSample = Math.floor((part * groupSize) / parts);
      const samples = Math.floor(((part + 1) * groupSize) / parts) - firstSample;
      const shareSeed = random(seed, 'share', promptIndex, firstSample).below(2 ** 32);
      return { promptIndex, tokenIds, firstSample, samples, seed: shareSeed };
    }),
  );
}

async function* sampleShare(
  { policy, patience, crew }: SamplingParty,
  share: Share,
  part: number,
  draw: Draw,
  signal: AbortSignal,
): AsyncGenerator<Completion, void, void> {
  const waits = new Waits(`the policy at ${policy.address}`, { ...patience, signal });
  const received = new Set<number>();
  while (received.size < share.samples) {
    const missing = () => share.samples - received.size;
    const sampler = await crew.take(draw.oldestVersion, missing(), part, signal);
    try {
      for await (const completion of completionsOf(sampler, share, draw, signal)) {
        if (received.has(completion.sampleIndex)) continue;
        if (sampler.isFollower && completion.policyVersion < draw.oldestVersion)
          throw new Error(
            `It sampled with version ${completion.policyVersion}; ${draw.oldestVersion} is needed.`,
          );
        received.add(completion.sampleIndex);
        sampler.received();
        draw.tally.completions += 1;
        if (sampler.isFollower) draw.tally.byFollowers += 1;
        waits.reset();
        const { promptIndex, firstSample } = share;
        yield { ...completion, promptIndex, sampleIndex: firstSample + completion.sampleIndex };
      }
      if (missing() > 0) throw new Error(`It ended Generate with ${missing()} completions too few.`);
    } catch (error) {
      signal.throwIfAborted();
      if (!sampler.isFollower) await waits.after(error);
      else {
        draw.tally.askedAgain += missing();
        sampler.broke(error);
      }
    } finally {
      sampler.leave();
    }
  }
}

async function* completionsOf(
  { room, presence }: Sampler,
  { tokenIds, samples, seed }: Share,
  { sampling }: Draw,
  signal: AbortSignal,
): AsyncGenerator<Completion, void, void> {
  const request = {
    prompts: [{ tokenIds: [...tokenIds] }],
    groupSize: samples,
    sampling: packSampling(sampling, seed),
  };
  const options = { signal: AbortSignal.any([signal, presence]), deadlineMs: deadlines.generate };
  for await (const { completion } of room.client.generate(request, options))
    if (completion !== undefined && completion.sampleIndex < samples) yield completion;
}
