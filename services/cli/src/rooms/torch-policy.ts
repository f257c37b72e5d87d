/** The command that starts the policy on PyTorch. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserError } from '../user-error.js';

const environment = fileURLToPath(new URL('../../../policy-torch/.venv', import.meta.url));
/** The last thing that `npm run torch:setup` writes: one that was broken off is no environment. */
const stamp = join(environment, 'made-from');
const lifeline = fileURLToPath(new URL('./lifeline.js', import.meta.url));

/** Throws a UserError where PyTorch is not set up. */
export function torchPolicyCommand(): readonly [string, ...string[]] {
  if (!existsSync(stamp)) throw new UserError('PyTorch is not set up here. Run: npm run torch:setup');
  return [process.execPath, lifeline, join(environment, 'bin/python'), '-m', 'policy_torch'];
}
