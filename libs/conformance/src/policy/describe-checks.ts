/** Describe: a card that a caller can render prompts and choose a recipe by. */
import { ObjectiveKind, TeacherKind } from '@backsight/contract/policy';
import { createRenderer } from '@backsight/renderer';
import { describeError } from '@backsight/rpc';
import { type Check, expectSet, expectThat, Nonconformity, NotOffered } from '../suite/check.js';
import type { PolicySubject } from './subject.js';

export const describeChecks: readonly Check<PolicySubject>[] = [
  {
    name: 'describe.card',
    promise: 'says what it is: names, sizes, stop ids, limits, version',
    run: ({ card, client, signal }) => whole(card, client, signal),
  },
  {
    name: 'describe.texts',
    promise: 'hands out a tokenizer and a chat template that render a conversation within its vocabulary',
    run: ({ card }) => {
      texts(card);
      return Promise.resolve();
    },
  },
  {
    name: 'describe.training',
    promise: 'names the objectives and teachers that TrainStep takes',
    run: ({ card }) => {
      training(card);
      return Promise.resolve();
    },
  },
];

async function whole(
  card: PolicySubject['card'],
  client: PolicySubject['client'],
  signal: AbortSignal,
): Promise<void> {
  const { model, architecture, vocabularySize, contextWindow, stopIds, version } = card;
  expectThat(model !== '', 'model must be a name, is empty');
  expectThat(architecture !== '', 'architecture must be a name, is empty');
  expectThat(vocabularySize >= 2, `vocabulary_size must be at least 2, is ${vocabularySize}`);
  expectThat(contextWindow >= 32, `context_window must be at least 32 for this suite, is ${contextWindow}`);
  const outside = stopIds.find((id) => id >= vocabularySize);
  expectThat(outside === undefined, `stop id ${outside ?? 0} is outside the vocabulary of ${vocabularySize}`);
  expectThat(version >= 0, `version must be at least 0, is ${version}`);
  const engine = expectSet(card.engine, 'engine must be set');
  expectThat(engine.name !== '' && engine.device !== '', 'engine must have a name and a device');
  const limits = expectSet(card.limits, 'limits must be set');
  for (const [name, value] of Object.entries(limits))
    expectThat(Number(value) >= 1, `limits.${name} must be at least 1, is ${Number(value)}`);
  const again = await client.describe({}, { signal });
  expectThat(
    JSON.stringify(again) === JSON.stringify(card),
    'Describe answers differently when asked twice, with nothing in between',
  );
}

function texts({
  tokenizerJson,
  tokenizerConfigJson,
  chatTemplate,
  vocabularySize,
}: PolicySubject['card']): void {
  expectThat(tokenizerJson !== '', 'tokenizer_json must be the text of a tokenizer.json, is empty');
  if (chatTemplate === '') throw new NotOffered('chat_template is empty: the model has none');
  const ids = rendered(() =>
    createRenderer({ tokenizerJson, tokenizerConfigJson, chatTemplate }).encodePrompt([
      { role: 'user', content: 'Read two integers and print their sum.' },
    ]),
  );
  expectThat(ids.length > 0, 'a conversation of one message renders to no ids');
  const outside = ids.find((id) => id >= vocabularySize);
  expectThat(
    outside === undefined,
    `the tokenizer gives id ${outside ?? 0}, which is outside the vocabulary of ${vocabularySize}`,
  );
}

function rendered(render: () => readonly number[]): readonly number[] {
  try {
    return render();
  } catch (error) {
    throw new Nonconformity(`tokenizer and chat template do not render a message: ${describeError(error)}`);
  }
}

function training({ training }: PolicySubject['card']): void {
  const { objectives, teachers } = expectSet(training, 'training must be set, even where it is empty');
  if (objectives.length === 0) throw new NotOffered('Describe names no objective: it only samples');
  expectThat(
    !objectives.includes(ObjectiveKind.UNSPECIFIED) && !teachers.includes(TeacherKind.UNSPECIFIED),
    'training names an objective or a teacher UNSPECIFIED',
  );
  expectThat(
    !objectives.includes(ObjectiveKind.DISTILLATION) || teachers.length > 0,
    'training names the distillation objective and no teacher',
  );
}
