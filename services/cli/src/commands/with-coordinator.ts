/** The commands' way to a coordinator: its address as an option, and a sentence on what to do when nobody answers there. */
import { CoordinatorServiceDefinition, type CoordinatorServiceClient } from '@backsight/contract/coordinator';
import { connect, describeError, readFailure } from '@backsight/rpc';
import type { Command } from 'commander';
import { UserError } from '../user-error.js';

/** What every command that calls a coordinator is given. */
export interface CoordinatorFlags {
  readonly coordinator: string;
}

export const coordinatorOption = (command: Command): Command =>
  command.option('--coordinator <address>', 'address of the coordinator', '127.0.0.1:7100');

/** Runs `work` with a client, and closes the connection however that ends. */
export async function withCoordinator<T>(
  { coordinator }: CoordinatorFlags,
  work: (client: CoordinatorServiceClient) => Promise<T>,
): Promise<T> {
  const connection = connect(CoordinatorServiceDefinition, coordinator, { name: 'coordinator' });
  try {
    return await work(connection.client);
  } catch (error) {
    const nobody = `the coordinator at ${coordinator} cannot be reached`;
    const unanswered = readFailure(error)?.code === 'UNAVAILABLE' && describeError(error).startsWith(nobody);
    throw unanswered
      ? new UserError(`${describeError(error)}. "backsight up" starts one; --coordinator names another.`)
      : error;
  } finally {
    connection.close();
  }
}
