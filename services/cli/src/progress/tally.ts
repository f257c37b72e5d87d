/** Figures of a run's steps, summed up: how fast it sampled, how old the weights were that did, and what followers took. Pure. */

/** What is kept of the steps seen so far. */
export type Tally = Readonly<Record<string, Summed>>;

/** The sum and the largest of a figure, and in how many steps it was. */
interface Summed {
  readonly sum: number;
  readonly most: number;
  readonly count: number;
}

/** What is told of a run in the end. */
export interface RunSummary {
  /** Completion tokens sampled a second, mean over steps. */
  readonly tokensPerSecond: number | undefined;
  /** Steps between the weights that sampled and those that trained. */
  readonly staleness: MeanMost | undefined;
  /** Absent: nobody followed the policy. */
  readonly followers: FollowersSummary | undefined;
}

export interface MeanMost {
  readonly mean: number;
  readonly most: number;
}

export interface FollowersSummary {
  /** Followers that had the policy's weights, mean over steps. */
  readonly serving: number;
  /** Share of completions that they sampled. */
  readonly share: number;
  /** From new weights until a follower had them, in seconds. */
  readonly syncSeconds: MeanMost | undefined;
  /** Completions that were asked for again. */
  readonly askedAgain: number;
}

export const emptyTally: Tally = {};

const names = [
  'perf/sampled_tokens_per_s',
  'staleness/mean',
  'staleness/max',
  'followers/serving',
  'followers/share',
  'followers/sync_s/mean',
  'followers/sync_s/max',
  'followers/asked_again',
] as const;

/** With the figures of one more step. */
export function tallied(tally: Tally, metrics: Readonly<Record<string, number>>): Tally {
  const summed = names.flatMap((name) => {
    const value = metrics[name];
    if (value === undefined) return [];
    const { sum, most, count } = tally[name] ?? { sum: 0, most: -Infinity, count: 0 };
    return [[name, { sum: sum + value, most: Math.max(most, value), count: count + 1 }] as const];
  });
  return { ...tally, ...Object.fromEntries(summed) };
}

export function summaryOf(tally: Tally): RunSummary {
  const mean = (name: (typeof names)[number]): number | undefined => {
    const summed = tally[name];
    return summed && summed.sum / summed.count;
  };
  const both = (name: 'staleness' | 'followers/sync_s'): MeanMost | undefined => {
    const average = mean(`${name}/mean`);
    return average === undefined ? undefined : { mean: average, most: tally[`${name}/max`]?.most ?? average };
  };
  const serving = mean('followers/serving');
  return {
    tokensPerSecond: mean('perf/sampled_tokens_per_s'),
    staleness: both('staleness'),
    followers:
      serving === undefined
        ? undefined
        : {
            serving,
            share: mean('followers/share') ?? 0,
            syncSeconds: both('followers/sync_s'),
            askedAgain: tally['followers/asked_again']?.sum ?? 0,
          },
  };
}

/** One line for people; undefined before the first step. Of staleness it speaks where there could be some. */
export function summaryLine({ tokensPerSecond, staleness, followers }: RunSummary): string | undefined {
  if (tokensPerSecond === undefined || staleness === undefined) return undefined;
  return [
    `sampled ${Math.round(tokensPerSecond)} tokens/s`,
    ...(staleness.most === 0 && followers === undefined
      ? []
      : [`staleness ${staleness.mean.toFixed(2)} steps, at most ${staleness.most}`]),
    ...(followers === undefined ? [] : followerWords(followers)),
  ].join('; ');
}

function followerWords({ serving, share, syncSeconds, askedAgain }: FollowersSummary): readonly string[] {
  const sync = syncSeconds && `sync ${syncSeconds.mean.toFixed(2)} s, at most ${syncSeconds.most.toFixed(2)}`;
  return [
    `${serving.toFixed(1)} followers sampled ${Math.round(100 * share)} %`,
    ...(sync === undefined ? [] : [sync]),
    `${askedAgain} completions asked for again`,
  ];
}
