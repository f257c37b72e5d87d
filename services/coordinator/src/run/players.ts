/** Those who play episodes: a policy that writes and an environment that answers. */
import { createRenderer, type Renderer } from '@backsight/renderer';
import { describeError } from '@backsight/rpc';
import type { Recipe } from '../recipe/recipe.js';
import { patiently, type Patience } from '../rooms/patience.js';
import { NoSuchTaskError } from '../run-errors.js';
import type { Crew } from './crew.js';
import {
  deadlines,
  type EnvironmentCard,
  type EnvironmentRoom,
  listTasks,
  type PolicyCard,
  type PolicyRoom,
  type Rooms,
} from '../rooms/rooms.js';

export interface Players {
  readonly policy: PolicyRoom;
  readonly environment: EnvironmentRoom;
  readonly policyCard: PolicyCard;
  readonly environmentCard: EnvironmentCard;
  readonly renderer: Renderer;
  /** How long to bear with a room that is away. */
  readonly patience: Patience;
  /** Whom environments are to be fair to, beside others who share them: the run; absent: this coordinator. */
  readonly caller?: string;
  /** Samples in the policy's place; absent: the policy has no followers. */
  readonly crew?: Crew;
}

/** Whom to play with. */
export interface Parties {
  readonly policyAddress: string;
  readonly environmentAddress: string;
  /** Further variables of the chat template. */
  readonly templateArguments: Readonly<Record<string, unknown>>;
}

/** Those whom a recipe names. */
export const partiesOf = ({ policy, environment }: Recipe): Parties => ({
  policyAddress: policy.address,
  environmentAddress: environment.address,
  templateArguments: policy.templateArguments,
});

/** The policy's tokenizer or chat template cannot be used. */
export class UnusablePolicyError extends Error {
  override readonly name = 'UnusablePolicyError';
}

/** Meets the rooms and prepares to render for this policy. */
export async function meetPlayers(rooms: Rooms, parties: Parties, patience: Patience): Promise<Players> {
  const policy = rooms.policy(parties.policyAddress);
  const environment = rooms.environment(parties.environmentAddress);
  const [policyCard, environmentCard] = await Promise.all([
    describePolicy(policy, patience),
    patiently(`the environment at ${environment.address}`, patience, () =>
      environment.client.describe({}, { signal: patience.signal, deadlineMs: deadlines.describe }),
    ),
  ]);
  return {
    policy,
    environment,
    policyCard,
    environmentCard,
    renderer: rendererOf(policyCard, parties.templateArguments),
    patience,
  };
}

/** The tasks that a recipe trains on, in the order of their split. Throws NoSuchTaskError when it names one that is not there. */
export async function taskIdsOf(
  { environment, patience }: Pick<Players, 'environment' | 'patience'>,
  { environment: { split, task } }: Recipe,
): Promise<readonly string[]> {
  const tasks = await patiently(`the environment at ${environment.address}`, patience, () =>
    listTasks(environment, split, patience.signal),
  );
  const all = tasks.map(({ taskId }) => taskId);
  if (task === undefined) return all;
  if (!all.includes(task)) throw new NoSuchTaskError(task, split, all);
  return [task];
}

/** The policy's card, with the version it is at now. */
export async function describePolicy(
  policy: PolicyRoom,
  patience: Patience,
  { brief = false }: { readonly brief?: boolean } = {},
): Promise<PolicyCard> {
  return patiently(`the policy at ${policy.address}`, patience, () =>
    policy.client.describe({ brief }, { signal: patience.signal, deadlineMs: deadlines.describe }),
  );
}

function rendererOf(card: PolicyCard, templateArguments: Readonly<Record<string, unknown>>): Renderer {
  try {
    return createRenderer({
      tokenizerJson: card.tokenizerJson,
      tokenizerConfigJson: card.tokenizerConfigJson,
      chatTemplate: card.chatTemplate,
      templateArguments,
    });
  } catch (error) {
    throw new UnusablePolicyError(`The policy ${card.model} cannot be spoken to: ${describeError(error)}`, {
      cause: error,
    });
  }
}
