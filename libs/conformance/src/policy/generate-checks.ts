/** Generate: completions whole, reproducible, ended for the reason they say, and refused where they can never be. */
import {
  type Completion,
  FinishReason,
  type GenerateRequest,
  type Sampling,
} from '@backsight/contract/policy';
import { describeError, within } from '@backsight/rpc';
import { type Check, expectThat, Nonconformity, NotOffered } from '../suite/check.js';
import { expectRefusals } from '../suite/expect-failure.js';
import { generate, itemsOf, promptsOf, score, usualTokens } from './ask.js';
import type { PolicySubject } from './subject.js';

export const generateChecks: readonly Check<PolicySubject>[] = [
  {
    name: 'generate.groups',
    promise: 'sends every sample of every prompt once, with ids, logprobs, a finish reason and its version',
    run: groups,
  },
  {
    name: 'generate.seed',
    promise: 'draws the same completions from the same seed, and others from another',
    run: seeds,
  },
  {
    name: 'generate.greedy',
    promise: 'takes the most likely token at temperature 0',
    run: greedy,
  },
  {
    name: 'generate.stop-ids',
    promise: 'ends a completion at a stop id that the request adds, and includes it',
    run: stopIds,
  },
  {
    name: 'generate.lengths',
    promise: 'ends a completion at max_tokens, and where the context window is full',
    run: lengths,
  },
  {
    name: 'generate.cancel',
    promise: 'gives up a cancelled call and frees what it held',
    run: cancellation,
  },
  {
    name: 'generate.refusals',
    promise: 'refuses what can never be right, and names the field',
    run: (subject) => expectRefusals(mistakes(subject)),
  },
];

async function groups(subject: PolicySubject): Promise<void> {
  const { version } = await subject.client.describe({}, { signal: subject.signal });
  for (const completion of await generate(subject, { groupSize: 4 }))
    wellFormed(subject, completion, version);
}

function wellFormed({ card }: PolicySubject, completion: Completion, version: number): void {
  const { promptIndex, sampleIndex, tokenIds, logprobs, finishReason, policyVersion } = completion;
  const which = `sample ${sampleIndex} of prompt ${promptIndex}`;
  const length = tokenIds.length;
  expectThat(
    length >= 1 && length <= usualTokens,
    `${which} has ${length} tokens, asked for 1 to ${usualTokens}`,
  );
  const outside = tokenIds.find((id) => id >= card.vocabularySize);
  expectThat(outside === undefined, `${which} holds id ${outside ?? 0}, outside the vocabulary`);
  expectThat(logprobs.length === length, `${which} has ${logprobs.length} logprobs for ${length} tokens`);
  const odd = logprobs.find((logprob) => !(logprob <= 0 && Number.isFinite(logprob)));
  expectThat(odd === undefined, `${which} has a logprob of ${odd ?? 0}; it must be finite and at most 0`);
  const stop = tokenIds.findIndex((id) => card.stopIds.includes(id));
  expectThat(stop === -1 || stop === length - 1, `${which} goes on after a stop id`);
  const wanted = stop === -1 ? FinishReason.LENGTH : FinishReason.STOP;
  expectThat(
    finishReason === wanted,
    `${which} ends ${stop === -1 ? 'without' : 'with'} a stop id, and its finish reason is ${finishReason}`,
  );
  expectThat(
    stop !== -1 || length === usualTokens,
    `${which} ends by length after ${length} of ${usualTokens} tokens`,
  );
  expectThat(
    policyVersion === version,
    `${which} is stamped with version ${policyVersion}, the policy is at ${version}`,
  );
}

async function seeds(subject: PolicySubject): Promise<void> {
  const asked = (seed: number) => generate(subject, { groupSize: 4, sampling: { seed, temperature: 2 } });
  const [first, again, other] = [await asked(11), await asked(11), await asked(12)];
  expectThat(
    JSON.stringify(first) === JSON.stringify(again),
    'two calls with the same seed give different completions',
  );
  const texts = (completions: readonly Completion[]) => completions.map(({ tokenIds }) => tokenIds.join());
  expectThat(texts(first).join(';') !== texts(other).join(';'), 'two seeds give the same completions');
  expectThat(
    new Set(texts(first)).size > promptsOf(subject).length,
    'all samples of a prompt are the same at temperature 2',
  );
}

async function greedy(subject: PolicySubject): Promise<void> {
  const prompts = promptsOf(subject);
  const completions = await generate(subject, { groupSize: 2, sampling: { temperature: 0 } });
  const scores = await score(subject, itemsOf(prompts, completions), { topK: 1 });
  for (const [index, { promptIndex, tokenIds }] of completions.entries()) {
    for (const [position, id] of tokenIds.entries()) {
      const best = scores[index]?.topLogprobs[position] ?? NaN;
      const taken = scores[index]?.logprobs[position] ?? NaN;
      // Of two tokens that are equally likely, either is the most likely one.
      expectThat(
        best - taken <= subject.tolerance.logprob,
        `at temperature 0, prompt ${promptIndex} is continued by id ${id} of logprob ${taken}, where one has ${best}`,
      );
    }
  }
}

async function stopIds(subject: PolicySubject): Promise<void> {
  const sampling = { temperature: 2, seed: 5 };
  const free = await generate(subject, { groupSize: 8, sampling });
  const chosen = free
    .flatMap(({ tokenIds }) => tokenIds.slice(1, -1))
    .find((id) => !subject.card.stopIds.includes(id));
  if (chosen === undefined) throw new NotOffered('no sample was long enough to be cut short');
  const cut = await generate(subject, { groupSize: 8, sampling: { ...sampling, stopIds: [chosen] } });
  for (const [index, { tokenIds, finishReason }] of cut.entries()) {
    const before = free[index]?.tokenIds ?? [];
    const end = before.indexOf(chosen);
    const wanted = end === -1 ? before : before.slice(0, end + 1);
    expectThat(
      tokenIds.join() === wanted.join(),
      `with stop id ${chosen}, [${before.join(' ')}] must become [${wanted.join(' ')}], is [${tokenIds.join(' ')}]`,
    );
    expectThat(
      end === -1 || finishReason === FinishReason.STOP,
      `a completion that ends with the added stop id has finish reason ${finishReason}`,
    );
  }
}

async function lengths(subject: PolicySubject): Promise<void> {
  for (const { tokenIds } of await generate(subject, { groupSize: 2, sampling: { maxTokens: 1 } }))
    expectThat(tokenIds.length === 1, `with max_tokens 1 a completion has ${tokenIds.length} tokens`);
  const { contextWindow } = subject.card;
  const [prompt = []] = promptsOf(subject);
  const room = 3;
  const long = Array.from({ length: contextWindow - room }, (_, index) => prompt[index % prompt.length] ?? 0);
  const sampling = { maxTokens: 100 };
  for (const { tokenIds, finishReason } of await generate(subject, {
    prompts: [long],
    groupSize: 4,
    sampling,
  })) {
    expectThat(
      tokenIds.length <= room,
      `a prompt that leaves ${room} tokens of the context window is continued by ${tokenIds.length}`,
    );
    const stopped = subject.card.stopIds.includes(tokenIds.at(-1) ?? -1);
    expectThat(
      stopped || (finishReason === FinishReason.LENGTH && tokenIds.length === room),
      `a completion that could fill the context window has ${tokenIds.length} tokens and finish reason ${finishReason}`,
    );
  }
}

/** More than the policy samples side by side, so that slots that stay taken are missed. */
async function cancellation(subject: PolicySubject): Promise<void> {
  const { card, signal } = subject;
  const groupSize = Math.min(1024, 2 * (card.limits?.generationSlots ?? 1));
  const sampling = { temperature: 5, maxTokens: Math.min(512, card.contextWindow - 16) };
  for (let round = 0; round < 3; round += 1) {
    const caller = new AbortController();
    const begun = generate(subject, { groupSize, sampling }, AbortSignal.any([signal, caller.signal]));
    const giveUp = setTimeout(() => {
      caller.abort();
    }, 150);
    await begun.catch(() => undefined);
    clearTimeout(giveUp);
    signal.throwIfAborted();
  }
  const patience = within(signal, freeAfterMs);
  try {
    await generate(subject, { sampling: { maxTokens: 1 } }, patience.signal);
  } catch (error) {
    signal.throwIfAborted();
    const why = patience.signal.aborted
      ? `is not answered within ${freeAfterMs / 1000} s`
      : `fails: ${describeError(error)}`;
    throw new Nonconformity(`after three cancelled calls, a completion of one token ${why}`);
  } finally {
    patience.stop();
  }
}

/** How long what was cancelled may hold up what comes next, in milliseconds. */
const freeAfterMs = 20_000;

function mistakes({ client, card, signal }: PolicySubject) {
  const sampling: Sampling = { temperature: 1, topP: undefined, maxTokens: 4, seed: 1, stopIds: [] };
  const right: GenerateRequest = { prompts: [{ tokenIds: [0] }], groupSize: 1, sampling };
  const asking = (what: string, field: string, wrong: Partial<GenerateRequest>) => ({
    what,
    field,
    call: async () => {
      for await (const _ of client.generate({ ...right, ...wrong }, { signal }));
    },
  });
  const sampled = (field: string, wrong: Partial<Sampling>) =>
    asking(`sampling.${field} of ${String(Object.values(wrong)[0])}`, field, {
      sampling: { ...sampling, ...wrong },
    });
  return [
    asking('a request without prompts', 'prompts', { prompts: [] }),
    asking('an empty prompt', 'prompts[1]', { prompts: [{ tokenIds: [0] }, { tokenIds: [] }] }),
    asking('an id outside the vocabulary', 'prompts[0]', { prompts: [{ tokenIds: [card.vocabularySize] }] }),
    asking('a prompt that fills the context window', 'prompts[0]', {
      prompts: [{ tokenIds: Array.from({ length: card.contextWindow }, () => 0) }],
    }),
    asking('a group of none', 'group_size', { groupSize: 0 }),
    asking('a request without sampling', 'sampling', { sampling: undefined }),
    sampled('temperature', { temperature: -1 }),
    sampled('top_p', { topP: 0 }),
    sampled('top_p', { topP: 1.5 }),
    sampled('max_tokens', { maxTokens: 0 }),
    sampled('stop_ids', { stopIds: [card.vocabularySize] }),
  ];
}
