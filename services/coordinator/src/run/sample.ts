/** Samples completions of a batch of prompts, each once, however often the stream breaks. */
import type { Completion } from '@backsight/contract/policy';
import { Waits } from '../rooms/patience.js';
import { deadlines } from '../rooms/rooms.js';
import { packSampling } from '../rooms/wire.js';
import type { Batch, Draw } from './draw.js';
import type { Players } from './players.js';
import { sampleByCrew } from './sample-by-crew.js';

/** Yields each completion as it ends. A broken stream is opened again with the same seed, which gives the same completions. */
export async function* sample(
  players: Players,
  batch: Batch,
  draw: Draw,
): AsyncGenerator<Completion, void, void> {
  const { policy, patience, crew } = players;
  if (crew !== undefined) {
    yield* sampleByCrew({ policy, patience, crew }, batch, draw);
    return;
  }
  const waits = new Waits(`the policy at ${policy.address}`, patience);
  const request = {
    prompts: batch.prompts.map((tokenIds) => ({ tokenIds: [...tokenIds] })),
    groupSize: batch.groupSize,
    sampling: packSampling(draw.sampling, draw.seed),
  };
  const wanted = batch.prompts.length * batch.groupSize;
  const received = new Set<number>();
  for (;;) {
    try {
      const options = { signal: patience.signal, deadlineMs: deadlines.generate };
      for await (const { completion } of policy.client.generate(request, options)) {
        if (completion === undefined) continue;
        const place = completion.promptIndex * batch.groupSize + completion.sampleIndex;
        if (received.has(place)) continue;
        received.add(place);
        draw.tally.completions += 1;
        waits.reset();
        yield completion;
      }
      if (received.size === wanted) return;
      throw new Error(
        `The policy at ${policy.address} ended Generate with ${received.size} of ${wanted} completions.`,
      );
    } catch (error) {
      await waits.after(error);
    }
  }
}
