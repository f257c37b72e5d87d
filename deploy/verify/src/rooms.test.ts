import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { type Design, policyFollowed, programsInside } from './design.js';
import { parseManifests } from './render.js';
import { roomChecks } from './rooms.js';

const kustomize = join(import.meta.dirname, '../../kustomize');
const policy = readFileSync(join(kustomize, 'base/policy.yaml'), 'utf8');
const trainer = readFileSync(join(kustomize, 'components/torch-followers/policy.yaml'), 'utf8');

/** What the trainer on PyTorch says of its end; empty when it says nothing. */
const said = /terminationGracePeriodSeconds: \d+/.exec(trainer)?.[0] ?? '';

/** What is wrong with the end of a policy that says this of it. */
function endProblems(design: Design, says: string): readonly string[] {
  const yaml = policy.replace('automountServiceAccountToken: false', (each) => `${each}\n      ${says}`);
  const name = 'policy: what it does on SIGTERM is not cut short';
  const check = roomChecks(parseManifests(yaml), design).find((each) => each.name === name);
  if (check === undefined) throw new Error(`there is no check "${name}"`);
  return check.problems;
}

describe('roomChecks', () => {
  it('grants the trainer on PyTorch the time to save, as its manifest says', () => {
    expect(endProblems(policyFollowed, said)).toEqual([]);
  });

  it.each([
    ['no longer than calls take', 'terminationGracePeriodSeconds: 30', 30],
    ['a second too little', 'terminationGracePeriodSeconds: 299', 299],
    ['what Kubernetes grants by itself', '', 30],
  ])('refuses a trainer on PyTorch that has %s', (_, says, seconds) => {
    expect(endProblems(policyFollowed, says)).toEqual([
      `terminationGracePeriodSeconds must be at least 300, is ${seconds}`,
    ]);
  });

  it('holds every other room to its drain', () => {
    expect(endProblems(programsInside, '')).toEqual([]);
    expect(endProblems(programsInside, 'terminationGracePeriodSeconds: 14')).toEqual([
      'terminationGracePeriodSeconds must be at least 15, is 14',
    ]);
  });
});
