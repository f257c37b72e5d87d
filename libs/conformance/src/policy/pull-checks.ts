/** PullWeights: weights whole or as a delta, proven by their checksums. */
import { ObjectiveKind } from '@backsight/contract/policy';
import { type Check, expectThat, NotOffered } from '../suite/check.js';
import { expectFailure } from '../suite/expect-failure.js';
import { floatsOf, narrowed, pull, same } from './pulled.js';
import type { PolicySubject } from './subject.js';
import { exampleOf, groundOf, optimizerOf, planOf, requireObjective, train } from './transaction.js';

export const pullChecks: readonly Check<PolicySubject>[] = [
  {
    name: 'pull.whole',
    promise: 'streams the whole weights, tensor by tensor, with checksums that prove them',
    run: whole,
  },
  {
    name: 'pull.bfloat16',
    promise: 'rounds to bfloat16, to nearest even',
    run: rounded,
  },
  {
    name: 'pull.delta',
    promise: 'streams what a step has changed, nothing where nothing has, and refuses a base it never had',
    run: delta,
  },
  {
    name: 'pull.name',
    promise: 'gives weights a name that changes with every step and every restored checkpoint',
    run: names,
  },
];

/** Both types side by side are held in memory. */
const MOST_PARAMETERS = 500e6;

function requireMemory({ card }: PolicySubject): void {
  if (card.parameterCount > MOST_PARAMETERS)
    throw new NotOffered(
      `not tried: ${card.parameterCount} weights are more than this suite holds in memory`,
    );
}

async function whole(subject: PolicySubject): Promise<void> {
  requireMemory(subject);
  const { version } = await subject.client.describe({}, { signal: subject.signal });
  const pulled = await pull(subject, 'float32');
  expectThat(pulled.version === version, `weights of version ${pulled.version} come at version ${version}`);
  expectThat(pulled.tensors.size > 0, 'there is not a single tensor');
  for (const [name, tensor] of pulled.tensors) {
    const odd = floatsOf(tensor).findIndex((value) => !Number.isFinite(value));
    expectThat(odd === -1, `element ${odd} of ${name} is not finite`);
  }
}

async function rounded(subject: PolicySubject): Promise<void> {
  requireMemory(subject);
  const [wide, narrow] = [await pull(subject, 'float32'), await pull(subject, 'bfloat16')];
  expectThat(
    [...wide.tensors.keys()].join() === [...narrow.tensors.keys()].join(),
    'in bfloat16 other tensors come than in float32',
  );
  for (const [name, tensor] of wide.tensors) {
    const found = narrow.tensors.get(name)?.bytes ?? new Uint8Array();
    expectThat(
      same(found, narrowed(tensor)),
      `${name} in bfloat16 is not ${name} in float32, rounded to nearest even`,
    );
  }
}

async function delta(subject: PolicySubject): Promise<void> {
  requireMemory(subject);
  requireObjective(subject, ObjectiveKind.LIKELIHOOD);
  const { items, logprobs, version } = await groundOf(subject);
  const base = await pull(subject, 'float32');
  const unchanged = await pull(subject, 'float32', base);
  expectThat(unchanged.pieces === 0, `a delta from the current version has ${unchanged.pieces} pieces`);
  const examples = items.map((item, index) => exampleOf(item, logprobs[index] ?? []));
  await train(subject, planOf({ expectedVersion: version, optimizer: optimizerOf(1e-3) }), examples);
  const moved = await pull(subject, 'float32', base);
  expectThat(
    moved.version === version + 1 && moved.pieces > 0,
    `after a step the delta leads to version ${moved.version} in ${moved.pieces} pieces`,
  );
  const direct = await pull(subject, 'float32');
  expectThat(same(direct.checksum, moved.checksum), 'the delta leads elsewhere than the whole');
  const neverWas = { ...base, checksum: new Uint8Array(32) };
  await expectFailure('a delta from weights that never were', 'FAILED_PRECONDITION', () =>
    pull(subject, 'float32', neverWas),
  );
}

async function names(subject: PolicySubject): Promise<void> {
  requireMemory(subject);
  requireObjective(subject, ObjectiveKind.LIKELIHOOD);
  const { client, signal } = subject;
  const name = async () => (await client.describe({ brief: true }, { signal })).weightsId;
  const { items, logprobs, version } = await groundOf(subject);
  const first = await name();
  if (first === '') throw new NotOffered('Describe gives its weights no name');
  const pulled = await pull(subject, 'float32');
  expectThat(
    pulled.weightsId === first,
    `Describe calls the weights ${first}, PullWeights ${pulled.weightsId}`,
  );
  const examples = items.map((item, index) => exampleOf(item, logprobs[index] ?? []));
  await train(subject, planOf({ expectedVersion: version }), examples);
  const second = await name();
  await subject.reset();
  const third = await name();
  expectThat(
    new Set([first, second, third]).size === 3,
    `the weights are called ${first}, after a step ${second}, and restored ${third}`,
  );
}
