/** The command that starts the policy on PyTorch. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { UserError } from '../user-error.js';

const python = fileURLToPath(new URL('../../../policy-torch/.venv/bin/python', import.meta.url));
const lifeline = fileURLToPath(new URL('./lifeline.js', import.meta.url));

/** Throws a UserError where PyTorch is not set up. */
export function torchPolicyCommand(): readonly [string, ...string[]] {
  if (!existsSync(python)) throw new UserError('PyTorch is not set up here. Run: npm run torch:setup');
  return [process.execPath, lifeline, python, '-m', 'policy_torch'];
}
