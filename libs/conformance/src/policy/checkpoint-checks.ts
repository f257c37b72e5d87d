/** Checkpoints: a policy put back to where it was, teacher and optimizer included. */
import {
  ExportLayout,
  ObjectiveKind,
  TeacherCadence,
  TeacherKind,
  WeightSet,
} from '@backsight/contract/policy';
import { type Check, expectSet, expectThat } from '../suite/check.js';
import { expectFailure, expectRefusals } from '../suite/expect-failure.js';
import { farthest, generate, logprobsOf } from './ask.js';
import type { PolicySubject } from './subject.js';
import { exampleOf, groundOf, optimizerOf, planOf, requireObjective, train } from './transaction.js';

export const checkpointChecks: readonly Check<PolicySubject>[] = [
  {
    name: 'checkpoint.restore',
    promise: 'goes on from a restored checkpoint as it went on before: version, weights, teacher, optimizer',
    run: restores,
  },
  {
    name: 'checkpoint.list',
    promise: 'lists its checkpoints newest first, `initial` among them',
    run: lists,
  },
  {
    name: 'checkpoint.refusals',
    promise: 'refuses a checkpoint that is not there and a name that is a path',
    run: refusals,
  },
  {
    name: 'checkpoint.export',
    promise: 'exports a Hugging Face folder and says where and of which version',
    run: exportFolder,
  },
];

/** Names that the suite saves under, again and again. */
const saved = 'conformance-saved';

async function restores(subject: PolicySubject): Promise<void> {
  requireObjective(subject, ObjectiveKind.LIKELIHOOD);
  const { client, card, signal } = subject;
  const { items, logprobs, version } = await groundOf(subject);
  const examples = items.map((item, index) => exampleOf(item, logprobs[index] ?? []));
  const keepsTeacher = (card.training?.teachers ?? []).includes(TeacherKind.EMA);
  const teacher = keepsTeacher
    ? { kind: TeacherKind.EMA, rate: 0.3, cadence: TeacherCadence.BATCH }
    : undefined;
  const stepFrom = (expectedVersion: number) =>
    train(subject, planOf({ expectedVersion, teacher, optimizer: optimizerOf(1e-3) }), examples);
  const state = async () => ({
    student: await logprobsOf(subject, items),
    teacher: keepsTeacher ? await logprobsOf(subject, items, { weights: WeightSet.TEACHER }) : [],
    sampled: (await generate(subject)).map(({ tokenIds }) => tokenIds.join()),
  });
  await stepFrom(version);
  const { checkpoint } = await client.saveCheckpoint({ name: saved }, { signal });
  expectThat(
    checkpoint?.version === version + 1,
    `the checkpoint says version ${checkpoint?.version ?? 0}, not ${version + 1}`,
  );
  const before = await state();
  const onwards = [(await stepFrom(version + 1)).steps[0], await state()] as const;
  const restored = await client.restoreCheckpoint({ name: saved }, { signal });
  expectThat(
    restored.checkpoint?.version === version + 1 && restored.checkpoint.name === saved,
    `restoring ${saved} of version ${version + 1} answers ${JSON.stringify(restored.checkpoint ?? {})}`,
  );
  const after = await state();
  for (const part of ['student', 'teacher'] as const) {
    const apart = farthest(after[part], before[part]);
    expectThat(
      apart <= 1e-6,
      `the ${part} scores up to ${apart.toExponential(1)} otherwise after it is restored`,
    );
  }
  expectThat(
    after.sampled.join(';') === before.sampled.join(';'),
    'it samples otherwise after it is restored',
  );
  const again = [(await stepFrom(version + 1)).steps[0], await state()] as const;
  const [loss, norm] = [onwards[0]?.loss ?? NaN, onwards[0]?.gradientNorm ?? NaN];
  expectThat(
    Math.abs((again[0]?.loss ?? NaN) - loss) <= subject.tolerance.loss * Math.max(1, Math.abs(loss)) &&
      Math.abs((again[0]?.gradientNorm ?? NaN) - norm) <= 10 * subject.tolerance.loss * Math.max(1, norm),
    `the step after it reports loss ${again[0]?.loss ?? NaN} and norm ${again[0]?.gradientNorm ?? NaN}, before ${loss} and ${norm}`,
  );
  for (const part of ['student', 'teacher'] as const) {
    const apart = farthest(again[1][part], onwards[1][part]);
    expectThat(
      apart <= subject.tolerance.logprob,
      `the step after it leaves the ${part} up to ${apart.toExponential(1)} from where it went before: ${part === 'student' ? "the optimizer's state" : 'the teacher'} is not restored`,
    );
  }
}

async function lists(subject: PolicySubject): Promise<void> {
  await groundOf(subject, 1);
  const { client, signal } = subject;
  const { checkpoint } = await client.saveCheckpoint({ name: saved, score: 0.25 }, { signal });
  const made = expectSet(checkpoint, 'SaveCheckpoint answers without a checkpoint');
  expectThat(
    made.name === saved && made.sizeBytes > 0,
    `what was saved is described as ${JSON.stringify(made)}`,
  );
  const { checkpoints } = await client.listCheckpoints({}, { signal });
  const listed = checkpoints.filter(({ name }) => name === saved);
  expectThat(listed.length === 1, `ListCheckpoints lists ${saved} ${listed.length} times`);
  expectThat(
    listed[0]?.score === 0.25,
    `the score 0.25 of a checkpoint is listed as ${listed[0]?.score ?? 'nothing'}`,
  );
  expectThat(
    checkpoints.some(({ name }) => name === 'initial'),
    'ListCheckpoints does not list initial',
  );
  const others = checkpoints.filter(({ name }) => name !== 'initial');
  const rise = others.findIndex(
    ({ createdAtMs }, index) => createdAtMs > (others[index - 1]?.createdAtMs ?? Infinity),
  );
  expectThat(
    rise === -1,
    `ListCheckpoints lists ${others[rise]?.name ?? ''} after an older one; newest comes first`,
  );
}

async function refusals(subject: PolicySubject): Promise<void> {
  await groundOf(subject, 1);
  const { client, signal } = subject;
  const { resource } = await expectFailure('a checkpoint that is not there', 'NOT_FOUND', () =>
    client.restoreCheckpoint({ name: 'conformance-none' }, { signal }),
  );
  expectThat(
    resource?.name === 'conformance-none',
    'NOT_FOUND must carry a ResourceInfo that names the checkpoint',
  );
  await expectRefusals(
    ['', '../conformance', 'a/b', 'initial'].map((name) => ({
      what: `to save as "${name}"`,
      field: 'name',
      call: () => client.saveCheckpoint({ name }, { signal }),
    })),
  );
}

async function exportFolder(subject: PolicySubject): Promise<void> {
  const { client, signal } = subject;
  const { version } = await client.describe({}, { signal });
  const request = { name: 'conformance-export', layout: ExportLayout.HUGGING_FACE };
  const answer = await client.exportCheckpoint(request, { signal });
  expectThat(answer.path !== '', 'ExportCheckpoint does not say where the export is');
  expectThat(
    answer.version === version,
    `the export is of version ${answer.version}, the policy at ${version}`,
  );
  await expectRefusals([
    {
      what: 'to export as "../a"',
      field: 'name',
      call: () => client.exportCheckpoint({ ...request, name: '../a' }, { signal }),
    },
  ]);
}
