/** Teachers: whose weights teach, and when they move. */
import {
  Granularity,
  ObjectiveKind,
  SupportKind,
  TeacherCadence,
  TeacherKind,
  WeightSet,
} from '@backsight/contract/policy';
import { type Check, expectThat, NotOffered } from '../suite/check.js';
import { farthest, type Item, logprobsOf } from './ask.js';
import type { PolicySubject } from './subject.js';
import { exampleOf, groundOf, noTerms, optimizerOf, planOf, requireObjective, train } from './transaction.js';

export const teacherChecks: readonly Check<PolicySubject>[] = [
  {
    name: 'teacher.ema',
    promise: 'moves an EMA teacher by its rate when its cadence says so, and not otherwise',
    run: movingAverage,
  },
  {
    name: 'teacher.pull',
    promise: 'draws the student towards its teacher',
    run: drawsNearer,
  },
  {
    name: 'teacher.frozen',
    promise: 'keeps the initial weights as a frozen teacher, however far the student has gone',
    run: frozen,
  },
];

/** KL(student||teacher) over the whole vocabulary. */
const distillation = {
  ...noTerms,
  distillation: {
    weight: 1,
    alpha: 1,
    support: { kind: SupportKind.FULL, k: 0 },
    granularity: Granularity.LOGIT,
    importanceCap: undefined,
  },
};

const retold = ({ promptIds }: Item) => [...promptIds].reverse();

function requireTeacher({ card }: PolicySubject, kind: TeacherKind): void {
  if (!(card.training?.teachers ?? []).includes(kind))
    throw new NotOffered(
      `Describe names no ${kind.replace('TEACHER_KIND_', '').toLowerCase().replace('_', ' ')} teacher`,
    );
}

async function movingAverage(subject: PolicySubject): Promise<void> {
  requireObjective(subject, ObjectiveKind.LIKELIHOOD);
  requireTeacher(subject, TeacherKind.EMA);
  const { items, logprobs, version } = await groundOf(subject);
  const examples = items.map((item, index) => exampleOf(item, logprobs[index] ?? []));
  let expectedVersion = version;
  const step = async (rate: number, cadence: TeacherCadence) => {
    const teacher = { kind: TeacherKind.EMA, rate, cadence };
    const optimizer = optimizerOf(1e-3);
    expectedVersion = (await train(subject, planOf({ expectedVersion, teacher, optimizer }), examples))
      .version;
  };
  const teachers = () => logprobsOf(subject, items, { weights: WeightSet.TEACHER });
  const students = () => logprobsOf(subject, items);
  await step(1, TeacherCadence.BATCH);
  const [followed, student] = [await teachers(), await students()];
  expectThat(
    farthest(followed, student) <= subject.tolerance.logprob,
    'at rate 1 the teacher is not the student after a step',
  );
  await step(1, TeacherCadence.HOLD);
  expectThat(farthest(await teachers(), followed) === 0, 'a held teacher moves in a step');
  expectThat(farthest(await students(), student) > 0, 'a step at learning rate 1e-3 moves no score');
  await step(0, TeacherCadence.BATCH);
  expectThat(
    farthest(await teachers(), followed) <= subject.tolerance.logprob,
    'at rate 0 the teacher moves in a step',
  );
  await step(0.5, TeacherCadence.STEP);
  const [moved, ahead] = [await teachers(), await students()];
  expectThat(
    farthest(moved, followed) > 0 && farthest(moved, ahead) > 0,
    'at rate 0.5 the teacher stays where it was, or becomes the student',
  );
}

async function drawsNearer(subject: PolicySubject): Promise<void> {
  requireObjective(subject, ObjectiveKind.DISTILLATION);
  requireTeacher(subject, TeacherKind.LIVE);
  const { items, logprobs, version } = await groundOf(subject);
  const examples = items.map((item, index) =>
    exampleOf(item, logprobs[index] ?? [], { teacherPromptIds: retold(item) }),
  );
  const teacher = { kind: TeacherKind.LIVE, rate: 0, cadence: TeacherCadence.HOLD };
  const plan = planOf({
    expectedVersion: version,
    objective: distillation,
    teacher,
    optimizer: optimizerOf(1e-5),
  });
  const [first] = (await train(subject, plan, examples)).steps;
  const [second] = (await train(subject, { ...plan, expectedVersion: version + 1 }, examples)).steps;
  expectThat(
    (second?.distillationLoss ?? NaN) < (first?.distillationLoss ?? NaN),
    `the divergence from the teacher goes from ${first?.distillationLoss ?? NaN} to ${second?.distillationLoss ?? NaN} in a step that lowers it`,
  );
}

async function frozen(subject: PolicySubject): Promise<void> {
  requireObjective(subject, ObjectiveKind.DISTILLATION);
  requireObjective(subject, ObjectiveKind.LIKELIHOOD);
  requireTeacher(subject, TeacherKind.FROZEN);
  const ground = await groundOf(subject);
  const { items, logprobs } = ground;
  const { checkpoint } = await subject.client.restoreCheckpoint(
    { name: 'initial' },
    { signal: subject.signal },
  );
  const version = checkpoint?.version ?? 0;
  const plainly = items.map((item, index) => exampleOf(item, logprobs[index] ?? []));
  // The teacher reads the student's own prompt, so that only its weights make a difference.
  const taught = plainly.map((example) => ({ ...example, teacherPromptIds: example.studentPromptIds }));
  const teacher = { kind: TeacherKind.FROZEN, rate: 0, cadence: TeacherCadence.HOLD };
  const lossAt = async (expectedVersion: number) => {
    const optimizer = optimizerOf(1e-12);
    const plan = planOf({ expectedVersion, objective: distillation, teacher, optimizer });
    return (await train(subject, plan, taught)).steps[0]?.distillationLoss ?? NaN;
  };
  const atFirst = await lossAt(version);
  expectThat(
    Math.abs(atFirst) <= subject.tolerance.loss,
    `the initial weights are ${atFirst} away from the frozen teacher, which has the same`,
  );
  await train(subject, planOf({ expectedVersion: version + 1, optimizer: optimizerOf(1e-3) }), plainly);
  const later = await lossAt(version + 2);
  expectThat(
    later > atFirst,
    `after a step the divergence from the frozen teacher is ${later}, it was ${atFirst}`,
  );
}
