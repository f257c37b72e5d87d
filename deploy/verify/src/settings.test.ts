import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { settingChecks } from './settings.js';
import { manifestSchema } from './manifest.js';

const root = join(import.meta.dirname, '../../..');

const problemsOf = (name: string, image: string, variable: string) =>
  settingChecks(
    [
      manifestSchema.parse({
        apiVersion: 'apps/v1',
        kind: 'StatefulSet',
        metadata: { name },
        spec: {
          selector: { matchLabels: {} },
          template: { metadata: {}, spec: { containers: [{ name, image, env: [{ name: variable }] }] } },
        },
      }),
    ],
    root,
  ).flatMap(({ problems }) => problems);

describe('settingChecks', () => {
  it.each([
    ['policy', 'backsight/policy:0.1.0', 'BACKSIGHT_GENERATION_SLOTS'],
    ['policy', 'elsewhere.example:5000/backsight/policy-torch:1', 'BACKSIGHT_DEVICE'],
    ['policy', 'backsight/policy-torch', 'BACKSIGHT_POLICY_LOG_LEVEL'],
    ['policy-follower', 'backsight/policy:local', 'BACKSIGHT_POLICY_FOLLOW'],
    ['policy-follower', 'backsight/policy-torch:local', 'BACKSIGHT_POLICY_FOLLOW'],
    ['coordinator', 'backsight/coordinator', 'BACKSIGHT_COORDINATOR_FOLLOWERS'],
    ['policy', 'backsight/policy', 'HOME'],
  ])('take what the image of %s, %s, reads: %s', (name, image, variable) => {
    expect(problemsOf(name, image, variable)).toEqual([]);
  });

  it.each([
    ['policy', 'backsight/policy:0.1.0', 'BACKSIGHT_DEVICE', 'services/policy reads no BACKSIGHT_DEVICE'],
    [
      'policy',
      'backsight/policy-torch',
      'BACKSIGHT_POLICY_OPENAI_ADDRESS',
      'services/policy-torch reads no BACKSIGHT_POLICY_OPENAI_ADDRESS',
    ],
    ['judge', 'backsight/judge', 'BACKSIGHT_TASK', 'services/judge reads no BACKSIGHT_TASK'],
  ])('refuse what the image of %s, %s, does not read: %s', (name, image, variable, problem) => {
    expect(problemsOf(name, image, variable)).toEqual([problem]);
  });
});
