/** The weights of an engine, for those who pull them: one copy per version and type, and the one before it for deltas. */
import { randomUUID } from 'node:crypto';
import type { Engine } from '@backsight/engine';
import { snapshotOf, type SentType, type Snapshot } from './snapshot.js';

/** Copies are given up when nobody has pulled for this long, in milliseconds. */
const keptMs = 600_000;

/** A snapshot and the name of what it is of. */
export interface NamedSnapshot extends Snapshot {
  readonly weightsId: string;
}

/** Snapshots of one type. */
interface Kept {
  /** Counts changes of the weights; a snapshot of an older count is out of date. */
  readonly revision: number;
  readonly current: Promise<NamedSnapshot>;
  /** The snapshot before it, from which a delta can be made. */
  readonly previous: Snapshot | undefined;
}

/** Hands out snapshots; whoever changes the weights says so. */
export class WeightSource {
  private revision = 0;
  private lastPullMs = 0;
  private readonly kept = new Map<SentType, Kept>();

  private id: string = randomUUID();

  constructor(private readonly engine: Pick<Engine, 'readWeights'>) {}

  /** Names the current weights: another name after every change. */
  get weightsId(): string {
    return this.id;
  }

  /** The weights have changed, or may have; a follower's have the name that its trainer gave them. */
  changed(weightsId: string = randomUUID()): void {
    this.revision += 1;
    this.id = weightsId;
    if (Date.now() - this.lastPullMs > keptMs) this.kept.clear();
  }

  /** The current weights; those who ask at the same time share one copy. */
  async current(type: SentType): Promise<NamedSnapshot> {
    this.lastPullMs = Date.now();
    const known = this.kept.get(type);
    if (known?.revision === this.revision) return known.current;
    const { revision, weightsId } = this;
    const previous = await known?.current.catch(() => undefined);
    // Another caller may have been here meanwhile.
    const now = this.kept.get(type);
    if (now !== known) return this.current(type);
    const current = this.engine
      .readWeights()
      .then(async ({ version, weights }) => ({ ...(await snapshotOf(version, weights, type)), weightsId }));
    const kept = { revision, current, previous };
    this.kept.set(type, kept);
    current.catch(() => {
      if (this.kept.get(type) === kept) this.kept.delete(type);
    });
    return current;
  }

  /** The kept snapshot of that version and checksum, if there is one; ask after `current`. */
  async base(type: SentType, version: number, checksum: Uint8Array): Promise<Snapshot | undefined> {
    const known = this.kept.get(type);
    const candidates = [await known?.current, known?.previous];
    return candidates.find(
      (snapshot) => snapshot?.version === version && Buffer.compare(snapshot.checksum, checksum) === 0,
    );
  }
}
