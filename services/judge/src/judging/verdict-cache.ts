/** Judgements of submissions already judged, by all that matters to them; the least recently used goes first. */
import { createHash } from 'node:crypto';
import type { Judgement, Submission } from './submission.js';

/** Bounded by count. */
export class VerdictCache {
  private readonly kept = new Map<string, Judgement>();

  /** @param capacity 0 keeps nothing. */
  constructor(private readonly capacity: number) {}

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
    if (this.capacity === 0 || judgement.fates.some(({ limit }) => limit === 'wall')) return;
    this.kept.set(key, judgement);
    if (this.kept.size > this.capacity) {
      const [oldest] = this.kept.keys();
      if (oldest !== undefined) this.kept.delete(oldest);
    }
  }
}

/** What makes two submissions the same. */
export function submissionKey(submission: Submission): string {
  const { language, source, prelude, tests, checker, limits, stopAtFirstFailure } = submission;
  const all = JSON.stringify([language, source, prelude ?? '', tests, checker, limits, stopAtFirstFailure]);
  return createHash('sha256').update(all).digest('base64');
}
