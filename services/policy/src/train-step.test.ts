import net from 'node:net';
import { describe, expect, it } from '@jest/globals';
import * as proto from '@backsight/contract/policy';
import { UnsupportedError } from '@backsight/engine';
import { connect } from '@backsight/rpc';
import { caughtFailure, caughtViolations } from './caught-failure.js';
import { untilAborted } from './scripted-engine.js';
import { roomOfThisFile, until } from './scripted-room.js';
import {
  commitMessage as commit,
  exampleForEngine,
  exampleMessage as next,
  plannedForEngine,
  planMessage as first,
  streamOf,
} from './scripted-transaction.js';

const room = roomOfThisFile();

const train = (...messages: object[]) => room.client.trainStep(streamOf(...messages));

describe('policyService trainStep', () => {
  it('hands the whole transaction to the engine and reports what it did', async () => {
    const change = { miniBatches: 2, shuffleSeed: 8 };
    const answer = await train(first(change), next(), next({ advantage: -1, distillationWeight: 0.5 }));
    expect(answer).toMatchObject({ version: 7, metrics: { 'actor/entropy': 0.25 } });
    expect(answer.steps).toHaveLength(2);
    expect(answer.durations).toEqual([{ phase: 'teacher', duration: { seconds: 1, nanos: 250_000_000 } }]);
    expect(room.script.trained).toEqual([
      {
        plan: { ...plannedForEngine, ...change },
        examples: [exampleForEngine, { ...exampleForEngine, advantage: -1, distillationWeight: 0.5 }],
      },
    ]);
  });

  it('refuses a plan at once, while the caller is still sending', async () => {
    async function* slow(): Parameters<typeof room.client.trainStep>[0] {
      yield first({ optimizer: undefined });
      await new Promise((resolve) => setTimeout(resolve, 20_000).unref());
    }
    expect(await caughtViolations(() => room.client.trainStep(slow()))).toEqual([
      'plan.optimizer: must be set',
    ]);
  });

  it('takes no step twice: another version is ABORTED with the current one', async () => {
    await train(first(), next());
    const failure = await caughtFailure(() => train(first(), next()));
    expect(failure).toMatchObject({
      code: 'ABORTED',
      reason: 'POLICY_VERSION_MISMATCH',
      metadata: { current_version: '6', expected_version: '5' },
    });
    expect(room.script.trained).toHaveLength(1);
  });

  it('says which ability the engine lacks', async () => {
    room.script.failure = new UnsupportedError(
      'TRUST_REGION_TEACHER',
      'This engine keeps no trust-region teacher.',
    );
    const failure = await caughtFailure(() => train(first(), next()));
    expect(failure).toMatchObject({ code: 'UNIMPLEMENTED', reason: 'TRUST_REGION_TEACHER' });
  });

  it('tells nothing of a bug but a request id', async () => {
    room.script.failure = new TypeError('secret inner detail');
    const failure = await caughtFailure(() => train(first(), next()));
    expect(failure.code).toBe('INTERNAL');
    expect(failure.requestId).toBeDefined();
    expect(JSON.stringify(failure)).not.toContain('secret');
  });

  it('takes a committed transaction, and nothing of one that ends before its commit', async () => {
    const cut = () => train(first({ commits: true }), next(), next());
    expect(await caughtViolations(cut)).toEqual([
      'commit: must be the last message, was not sent; the stream ended after 2 examples',
    ]);
    expect(room.script.trained).toEqual([]);
    expect((await train(first({ commits: true }), next(), next(), commit)).version).toBe(6);
    expect(room.script.trained).toHaveLength(1);
  });

  it('takes nothing from a stream that the caller cancels', async () => {
    const controller = new AbortController();
    async function* cancelled(): Parameters<typeof room.client.trainStep>[0] {
      yield first();
      yield next();
      setTimeout(() => {
        controller.abort();
      }, 20);
      await new Promise((resolve) => setTimeout(resolve, 20_000).unref());
    }
    const call = room.client.trainStep(cancelled(), { signal: controller.signal });
    expect((await caughtFailure(() => call)).code).toBe('CANCELLED');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(room.script.trained).toEqual([]);
    expect((await room.client.describe({})).version).toBe(5);
    expect((await train(first(), next())).version).toBe(6);
  });

  it('takes nothing from a stream whose connection is lost', async () => {
    const sockets: net.Socket[] = [];
    const proxy = net.createServer((near) => {
      const far = net.connect(Number(room.address.split(':')[1]), '127.0.0.1');
      sockets.push(near, far);
      for (const socket of [near, far]) socket.on('error', () => undefined);
      near.pipe(far).pipe(near);
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const address = proxy.address() as net.AddressInfo;
    const lossy = connect(proto.PolicyServiceDefinition, `127.0.0.1:${String(address.port)}`, {
      retry: false,
    });
    async function* broken(): Parameters<typeof room.client.trainStep>[0] {
      yield first();
      yield next();
      setTimeout(() => {
        for (const socket of sockets) socket.destroy();
        proxy.close();
      }, 20);
      await new Promise((resolve) => setTimeout(resolve, 20_000).unref());
    }
    expect((await caughtFailure(() => lossy.client.trainStep(broken()))).code).toBe('UNAVAILABLE');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(room.script.trained).toEqual([]);
    lossy.close();
  });

  it('stops the engine when the caller gives up after closing the stream', async () => {
    room.script.pause = untilAborted(room.script);
    const call = room.client.trainStep(streamOf(first(), next()), { deadlineMs: 80 });
    expect((await caughtFailure(() => call)).code).toBe('DEADLINE_EXCEEDED');
    await until(() => room.script.aborted === 1);
    expect(room.script.trained).toEqual([]);
  });

  it('holds a few transactions and refuses the next, saying when to try again', async () => {
    room.script.pause = untilAborted(room.script);
    const controller = new AbortController();
    const held = Array.from({ length: 4 }, () =>
      caughtFailure(() => room.client.trainStep(streamOf(first(), next()), { signal: controller.signal })),
    );
    await until(() => room.script.waiting === 4);
    expect(await caughtFailure(() => train(first(), next()))).toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      message: '4 of at most 4 training transactions are in progress',
      retryAfterMs: 2000,
    });
    controller.abort();
    await Promise.all(held);
    await until(() => room.script.aborted === 4);
    room.script.pause = () => Promise.resolve();
    expect((await train(first(), next())).version).toBe(6);
  });
});
