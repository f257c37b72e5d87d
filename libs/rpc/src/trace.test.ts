import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { currentTrace, inTrace, Metadata, newTrace, type Trace } from './index.js';
import { recordingLogger, type ToyMethods, ToyRooms } from './toy-rooms.js';

const rooms = new ToyRooms();
afterEach(() => rooms.close());

/** A room with its log, and a client of it. */
async function room(methods: ToyMethods) {
  const { logger, lines } = recordingLogger();
  return { lines, ...(await rooms.servedEnvironment(methods, { logger })) };
}

const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const traceId = '0af7651916cd43dd8448eb211c80319c';

describe('trace context', () => {
  it('goes from caller to callee, and into the log lines of both', async () => {
    const back = await room({});
    const front = await room({
      describe: async () => {
        await delay(1);
        return back.client.describe({});
      },
    });
    await front.client.describe({}, { metadata: Metadata({ traceparent }) });
    const spans = [front, back].map(({ lines }) => {
      const line = lines.find(({ msg }) => msg === 'call');
      expect(line).toMatchObject({ traceId, spanId: expect.stringMatching(/^[\da-f]{16}$/) as unknown });
      return line?.['spanId'];
    });
    expect(new Set([...spans, 'b7ad6b7169203331']).size).toBe(3);
  });

  it('keeps calls that run side by side apart', async () => {
    const seen: (Trace | undefined)[] = [];
    const { client } = await room({
      describe: async () => {
        await delay(5);
        seen.push(currentTrace());
        return {};
      },
    });
    const traces = [newTrace(), newTrace(), newTrace()];
    await Promise.all(traces.map((trace) => inTrace(trace, () => client.describe({}))));
    expect(seen.map((trace) => trace?.traceId).sort()).toEqual(traces.map((trace) => trace.traceId).sort());
    expect(currentTrace()).toBeUndefined();
  });

  it('holds for every message of a stream, to its end', async () => {
    const seen: (string | undefined)[] = [];
    const { client } = await room({
      play: async function* (requests) {
        try {
          for await (const _ of requests) {
            seen.push(currentTrace()?.traceId);
            yield {};
          }
        } finally {
          seen.push(currentTrace()?.traceId);
        }
      },
    });
    const requests = async function* () {
      yield {};
      yield await delay(5, {});
    };
    for await (const _ of client.play(requests(), { metadata: Metadata({ traceparent }) })) await delay(1);
    expect(seen).toEqual([traceId, traceId, traceId]);
  });

  it.each([
    ['of a later version', `cc-${traceId}-b7ad6b7169203331-01-more`, traceId],
    ['of version ff', `ff-${traceId}-b7ad6b7169203331-01`, undefined],
    ['with no trace', `00-${'0'.repeat(32)}-b7ad6b7169203331-01`, undefined],
    ['with no span', `00-${traceId}-${'0'.repeat(16)}-01`, undefined],
    ['in capitals', traceparent.toUpperCase(), undefined],
    ['that is none', 'me', undefined],
  ])('begins a trace of its own unless the header is right: %s', async (_, header, expected) => {
    const { client, lines } = await room({});
    await client.describe({}, { metadata: Metadata({ traceparent: header }) });
    const found = lines.find(({ msg }) => msg === 'call')?.['traceId'];
    expect(found).toMatch(/^[\da-f]{32}$/);
    expect(found === traceId).toBe(expected === traceId);
  });
});
