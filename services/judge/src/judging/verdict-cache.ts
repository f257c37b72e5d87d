/** Judgements of submissions already judged, by all that matters to them; the least recently used goes first. */
import { createHash } from 'node:crypto';
import type { Judgement, Submission } from './submission.js';

/** Bounded by count, and by the characters of the outputs and messages that are kept for feedback. */
export class VerdictCache {
  private readonly kept = new Map<string, Judgement>();
  private characters = 0;

  /** @param capacity Judgements; 0 keeps nothing. */
  constructor(
    private readonly capacity: number,
    private readonly maxCharacters = 1 << 26,
  ) {}

  /** The judgement of an identical submission. */
  get(key: string): Judgement | undefined {
    const found = this.kept.get(key);
    if (found !== undefined) {
      this.kept.delete(key);
      this.kept.set(key, found);
    }
    return found;
  }

  /** Keeps a judgement, unless the clock on the wall had a part in it: a busy machine is no fault of the program. */
  put(key: string, judgement: Judgement): void {
    if (!isRepeatable(judgement)) return;
    this.drop(key);
    this.kept.set(key, judgement);
    this.characters += charactersOf(judgement);
    for (const oldest of this.kept.keys()) {
      if (this.kept.size <= this.capacity && this.characters <= this.maxCharacters) break;
      this.drop(oldest);
    }
  }

  private drop(key: string): void {
    const dropped = this.kept.get(key);
    if (dropped === undefined) return;
    this.kept.delete(key);
    this.characters -= charactersOf(dropped);
  }
}

/** Whether another run would come to the same: the clock on the wall had no part in it. */
export function isRepeatable({ fates }: Judgement): boolean {
  return fates.every(({ limit }) => limit !== 'wall');
}

function charactersOf({ fates }: Judgement): number {
  return fates.reduce(
    (sum, { output = '', remark = '', error }) =>
      sum + output.length + remark.length + (error?.message.length ?? 0),
    0,
  );
}

/** What makes two submissions the same. */
export function submissionKey(submission: Submission): string {
  const { language, source, prelude, tests, checker, interactor, limits, stopAtFirstFailure } = submission;
  const what = [language, source, prelude ?? '', tests, checker, interactor ?? null];
  const all = JSON.stringify([...what, limits, stopAtFirstFailure]);
  return createHash('sha256').update(all).digest('base64');
}
