import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createLogger } from '@backsight/rpc';
import { away, scriptedPolicy } from '@backsight/testing';
import { toyEnvironment } from '../toy-environment.js';
import { serveToyFollower, type ToyFollower } from '../toy-followers.js';
import { openToyRooms } from '../toy-house.js';
import { eventually } from '../toy-watching.js';
import { openRooms } from '../rooms/rooms.js';
import { Crew, type CrewOptions } from './crew.js';
import { freshTally } from './draw.js';
import { sample } from './sample.js';
import type { Players } from './players.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const says = (name: string) => scriptedPolicy({ answer: () => name, version: 4 });
const quick = { eager: 5, calm: 20, deadline: 10_000 };
const forever = new AbortController().signal;
/** Long after the other follower has the weights. */
const slow = { kind: 'delay', ms: 800 } as const;

async function openCrew(followers: number, options: Partial<CrewOptions> = {}) {
  const trainer = says('trainer');
  const served = await openToyRooms(trainer.implementation, toyEnvironment({ train: ['ant'] }));
  closers.push(() => served.close());
  const theirs: ToyFollower<typeof trainer>[] = [];
  for (let index = 0; index < followers; index += 1) {
    const follower = await serveToyFollower(trainer, says(`follower-${index}`));
    closers.push(() => follower.kill());
    theirs.push(follower);
  }
  const rooms = openRooms();
  closers.push(() => {
    rooms.close();
  });
  const policy = rooms.policy(served.addresses.policy);
  const crew = new Crew(
    policy,
    theirs.map(({ address }) => rooms.policy(address)),
    { logger: createLogger({ name: 'crew', level: 'silent' }), intervals: quick, ...options },
  );
  closers.push(() => crew.close());
  const policyHas = () => {
    crew.policyHas(trainer, performance.now());
  };
  policyHas();
  const patience = { patienceMs: 2000, signal: forever };
  const players = { policy, crew, patience } as unknown as Players;
  const tally = freshTally();
  /** Who said what: `prompt.sample` to the text. */
  const draw = async (prompts = 4, groupSize = 6, oldestVersion = trainer.version) => {
    const said = new Map<string, string>();
    const batch = { prompts: Array.from({ length: prompts }, (_, index) => [index + 1]), groupSize };
    const sampling = { temperature: 1, topP: 1, maxTokens: 64 };
    for await (const completion of sample(players, batch, { sampling, seed: 3, oldestVersion, tally })) {
      const place = `${completion.promptIndex}.${completion.sampleIndex}`;
      expect(said.has(place)).toBe(false);
      said.set(place, trainer.tokenizer.decode(completion.tokenIds));
    }
    expect(said.size).toBe(prompts * groupSize);
    return [...new Set([...said.values()].map((text) => text.replace(/<.*/, '')))].sort();
  };
  return { trainer, followers: theirs, crew, policyHas, draw, tally };
}

describe('Crew', () => {
  it('has followers sample everything, each a part, and every completion once', async () => {
    const { crew, trainer, followers, draw, tally } = await openCrew(2);
    expect(await draw()).toEqual(['follower-0', 'follower-1']);
    expect(trainer.generated).toEqual([]);
    const asked = followers.map(({ policy }) =>
      policy.generated.reduce((sum, { prompts, groupSize }) => sum + prompts.length * groupSize, 0),
    );
    expect(asked).toEqual([12, 12]);
    expect(crew.report().serving).toBe(2);
    expect(tally).toEqual({ byFollowers: 24, completions: 24, askedAgain: 0 });
  });

  it('shares one large group out, each part with a seed of its own', async () => {
    const { followers, draw } = await openCrew(2);
    expect(await draw(1, 10)).toEqual(['follower-0', 'follower-1']);
    const calls = followers.flatMap(({ policy }) => policy.generated);
    expect(calls.map(({ groupSize }) => groupSize).sort()).toEqual([2, 2, 3, 3]);
    expect(new Set(calls.map(({ sampling }) => sampling?.seed)).size).toBe(4);
  });

  it('asks elsewhere for what a follower owed that died, and for nothing twice', async () => {
    const { followers, draw, tally } = await openCrew(2);
    followers[0]!.policy.faults.add('generate', { kind: 'break', error: away(), afterMessages: 2 });
    expect(await draw()).toContain('follower-1');
    const { byFollowers, completions, askedAgain } = tally;
    expect([byFollowers, completions]).toEqual([24, 24]);
    // Of one share two of six had come; of its other, at most all were owed.
    expect(askedAgain).toBeGreaterThanOrEqual(4);
    expect(askedAgain).toBeLessThanOrEqual(10);
  });

  it('leaves a follower that no longer answers, though its connection stands, and uses it again when it does', async () => {
    const { crew, followers, draw } = await openCrew(2, { intervals: { ...quick, deadline: 1000 } });
    await eventually(() => crew.report().serving === 2, 'both having the weights');
    followers[0]!.hangs = true;
    expect(await draw()).toEqual(['follower-1']);
    crew.report();
    followers[0]!.hangs = false;
    const returned: number[] = [];
    await eventually(() => {
      const { serving, syncSeconds } = crew.report();
      returned.push(...syncSeconds);
      return serving === 2;
    }, 'its return');
    // How long it was away says nothing of how long a sync takes.
    expect(returned).toEqual([]);
    expect(await draw()).toEqual(['follower-0', 'follower-1']);
  });

  it('has the policy sample itself when nobody else can', async () => {
    const { trainer, followers, draw } = await openCrew(2);
    await draw();
    for (const follower of followers) await follower.kill();
    expect(await draw()).toEqual(['trainer']);
    expect(trainer.generated.length).toBeGreaterThan(0);
  });

  it('waits for a follower that is about to have the weights, and tells how long that took', async () => {
    const { crew, trainer, followers, policyHas, draw } = await openCrew(1);
    await draw();
    crew.report();
    followers[0]!.following = false;
    trainer.version = 6;
    trainer.weightsId = 'weights after the step';
    policyHas();
    setTimeout(() => {
      followers[0]!.following = true;
    }, 200);
    expect(await draw()).toEqual(['follower-0']);
    const [seconds, ...rest] = crew.report().syncSeconds;
    expect(rest).toEqual([]);
    expect(seconds).toBeGreaterThan(0.18);
    expect(seconds).toBeLessThan(2);
  });

  it('leaves a follower that has the weights later its part', async () => {
    const { trainer, followers, policyHas, draw } = await openCrew(2);
    await draw();
    followers[1]!.following = false;
    trainer.version = 6;
    trainer.weightsId = 'weights after the step';
    policyHas();
    followers[0]!.policy.faults.add('generate', ...Array.from({ length: 4 }, () => slow));
    const before = followers.map(({ policy }) => policy.generated.length);
    setTimeout(() => {
      followers[1]!.following = true;
    }, 100);
    expect(await draw()).toEqual(['follower-0', 'follower-1']);
    expect(followers.map(({ policy }, index) => policy.generated.length - before[index]!)).toEqual([2, 2]);
  });

  it('takes older weights of the run where they are young enough', async () => {
    const { trainer, followers, policyHas, draw } = await openCrew(1);
    await draw();
    followers[0]!.following = false;
    trainer.version = 6;
    trainer.weightsId = 'weights after the step';
    policyHas();
    expect(await draw(2, 2, 4)).toEqual(['follower-0']);
    expect(followers[0]!.policy.version).toBe(4);
  });

  it('does not take other weights of the same version, and says that it waited in vain', async () => {
    let told = 0;
    const { crew, trainer, followers, policyHas, draw } = await openCrew(1, {
      syncPatienceMs: 1000,
      onBehind: () => (told += 1),
    });
    await draw();
    followers[0]!.following = false;
    // As after a checkpoint of another run is restored.
    trainer.weightsId = 'restored';
    policyHas();
    expect(await draw()).toEqual(['trainer']);
    const startedAt = performance.now();
    expect(await draw()).toEqual(['trainer']);
    expect(performance.now() - startedAt).toBeLessThan(900);
    expect(told).toBe(1);
    followers[0]!.following = true;
    await eventually(() => crew.report().serving === 1, 'its catching up');
    expect(await draw()).toEqual(['follower-0']);
  });

  it('loses patience whatever the garbage collector takes meanwhile', async () => {
    const { trainer, followers, policyHas, draw } = await openCrew(1, { syncPatienceMs: 300 });
    await draw();
    followers[0]!.following = false;
    trainer.weightsId = 'weights after the step';
    policyHas();
    const collecting = setInterval(collectGarbage, 50);
    try {
      expect(await draw()).toEqual(['trainer']);
    } finally {
      clearInterval(collecting);
    }
  });

  it('stops waiting when whoever asked leaves', async () => {
    const { trainer, followers, policyHas, crew, draw } = await openCrew(1);
    await draw();
    followers[0]!.following = false;
    trainer.weightsId = 'weights after the step';
    policyHas();
    await expect(crew.take(trainer.version, 1, 1, AbortSignal.timeout(30))).rejects.toThrow(/timeout/);
  });
});
