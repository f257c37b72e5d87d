/** Skills: how often one sample of a policy is the right program, for each kind of document. */

import type { Engine } from '@backsight/engine';
import type { Renderer } from '@backsight/renderer';
import { drawDocumentOf, type DocumentKind } from './documents.js';
import { createRandom } from './random.js';

export interface Skill {
  readonly name: string;
  readonly kind: DocumentKind;
  readonly verbs: 1 | 2 | 3;
  /** In words, for a table. */
  readonly task: string;
}

export interface SkillScore extends Skill {
  /** Share of right programs in [0, 1]. */
  readonly accuracy: number;
  readonly documents: number;
}

/** P: plain, FB: feedback, SOL: solution, SF: solution and feedback, T: turns; then the number of verbs. */
export const skills: readonly Skill[] = [
  { name: 'P1', kind: 'plain', verbs: 1, task: 'guess one verb (chance 1/8)' },
  { name: 'P2', kind: 'plain', verbs: 2, task: 'guess two verbs (chance 1/64)' },
  { name: 'FB1', kind: 'feedback', verbs: 1, task: 'use feedback, one verb' },
  { name: 'FB2', kind: 'feedback', verbs: 2, task: 'use feedback, two verbs' },
  { name: 'FB3', kind: 'feedback', verbs: 3, task: 'use feedback, three verbs' },
  { name: 'SOL2', kind: 'solution', verbs: 2, task: 'copy a solution, two verbs' },
  { name: 'SOL3', kind: 'solution', verbs: 3, task: 'copy a solution, three verbs' },
  { name: 'SF2', kind: 'solution-and-feedback', verbs: 2, task: 'a solution and feedback, two verbs' },
  { name: 'T2', kind: 'turns', verbs: 2, task: 'one to three attempts with feedback, two verbs' },
  { name: 'T3', kind: 'turns', verbs: 3, task: 'one to three attempts with feedback, three verbs' },
];

/** Samples once, at temperature 1, for each of so many fresh documents per skill. */
export async function measureSkills(
  engine: Engine,
  renderer: Renderer,
  options: { readonly documents: number; readonly seed: number },
  signal: AbortSignal,
): Promise<readonly SkillScore[]> {
  const random = createRandom(options.seed);
  const scores: SkillScore[] = [];
  for (const skill of skills) {
    const documents = Array.from({ length: options.documents }, () =>
      drawDocumentOf(random, skill.kind, skill.verbs),
    );
    const prompts = documents.map(({ messages }) => renderer.encodePrompt(messages));
    const sampling = { temperature: 1, topP: 1, maxTokens: longestAnswer, seed: options.seed, stopIds: [] };
    let right = 0;
    for await (const completion of engine.generate({ prompts, groupSize: 1, sampling }, signal)) {
      if (renderer.decode(completion.tokenIds) === documents[completion.promptIndex]?.answer) right += 1;
    }
    scores.push({ ...skill, accuracy: right / options.documents, documents: options.documents });
  }
  return scores;
}

/** Tokens of a three-verb program and its end, with room for operands of two digits. */
const longestAnswer = 20;
