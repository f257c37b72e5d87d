/** A command's call of a room, and a sentence on what to do when nobody answers there. */
import { describeError, readFailure } from '@backsight/rpc';
import { UserError } from '../user-error.js';

/** A room under the address that a person gave, or did not. */
export interface CalledRoom<Client> {
  readonly name: 'coordinator' | 'policy';
  /** That names another. */
  readonly option: string;
  readonly connection: { readonly address: string; readonly client: Client; readonly close: () => void };
}

/** Runs `work` with the room's client, and closes the connection however that ends. */
export async function withRoom<Client, T>(
  { name, option, connection }: CalledRoom<Client>,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  try {
    return await work(connection.client);
  } catch (error) {
    const nobody = `the ${name} at ${connection.address} cannot be reached`;
    const unanswered = readFailure(error)?.code === 'UNAVAILABLE' && describeError(error).startsWith(nobody);
    throw unanswered
      ? new UserError(`${describeError(error)}. "backsight up" starts one; ${option} names another.`)
      : error;
  } finally {
    connection.close();
  }
}
