/** The commands' way to a coordinator: its address as an option. */
import { CoordinatorServiceDefinition, type CoordinatorServiceClient } from '@backsight/contract/coordinator';
import { connect } from '@backsight/rpc';
import type { Command } from 'commander';
import { withRoom } from './with-room.js';

/** What every command that calls a coordinator is given. */
export interface CoordinatorFlags {
  readonly coordinator: string;
}

export const coordinatorOption = (command: Command): Command =>
  command.option('--coordinator <address>', 'address of the coordinator', '127.0.0.1:7100');

export const withCoordinator = <T>(
  { coordinator }: CoordinatorFlags,
  work: (client: CoordinatorServiceClient) => Promise<T>,
): Promise<T> => {
  const connection = connect(CoordinatorServiceDefinition, coordinator, { name: 'coordinator' });
  return withRoom<CoordinatorServiceClient, T>(
    { name: 'coordinator', option: '--coordinator', connection },
    work,
  );
};
