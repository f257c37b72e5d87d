/** The commands' way to a policy: its address as an option. */
import { PolicyServiceDefinition } from '@backsight/contract/policy';
import { connect, type Connection } from '@backsight/rpc';
import type { Command } from 'commander';
import { withRoom } from './with-room.js';

type PolicyClient = Connection<typeof PolicyServiceDefinition>['client'];

/** What every command that calls a policy is given. */
export interface PolicyFlags {
  readonly policy: string;
}

export const policyOption = (command: Command): Command =>
  command.option('--policy <address>', 'address of the policy', '127.0.0.1:7101');

export const withPolicy = <T>(
  { policy }: PolicyFlags,
  work: (client: PolicyClient) => Promise<T>,
): Promise<T> => {
  const connection = connect(PolicyServiceDefinition, policy, { name: 'policy' });
  return withRoom<PolicyClient, T>({ name: 'policy', option: '--policy', connection }, work);
};
