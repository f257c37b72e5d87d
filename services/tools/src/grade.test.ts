import { describe, expect, it } from '@jest/globals';
import { grade, type Pairing, type ToolVerdict } from './grade.js';
import type { GoldCall } from './tool-task.js';

const gold = (action: string, input: GoldCall['input'], optional = false): GoldCall => ({
  action,
  input,
  optional,
});

/** An answer that makes the given calls. */
const answer = (...calls: readonly (readonly [string, unknown])[]): string =>
  calls
    .map(([action, input]) => `Thought: go.\nAction: ${action}\nAction Input: ${JSON.stringify(input)}`)
    .join('\n');

const search = gold('search', { color: 'wild', page: 1 });
const nested = gold('update', { id: 'u', data: { url: 'https://x.y/z.jpg', tags: ['a', { b: null }] } });
const twins = [gold('get', { a: 1 }), gold('get', { b: 2 })];

describe('grade', () => {
  it.each<[string, readonly GoldCall[], string, Record<Pairing, ToolVerdict>]>([
    [
      'the right call',
      [search],
      answer(['search', { color: 'wild', page: 1 }]),
      { merged: 'solved', 'per-call': 'solved' },
    ],
    [
      'its arguments in another order',
      [search],
      answer(['search', { page: 1, color: 'wild' }]),
      { merged: 'solved', 'per-call': 'solved' },
    ],
    [
      'nested arguments',
      [nested],
      answer(['update', nested.input]),
      { merged: 'solved', 'per-call': 'solved' },
    ],
    [
      'another value',
      [search],
      answer(['search', { color: 'albino', page: 1 }]),
      { merged: 'arguments', 'per-call': 'arguments' },
    ],
    [
      'a value of another type',
      [search],
      answer(['search', { color: 'wild', page: '1' }]),
      { merged: 'arguments', 'per-call': 'arguments' },
    ],
    [
      'an argument too few',
      [search],
      answer(['search', { color: 'wild' }]),
      { merged: 'arguments', 'per-call': 'arguments' },
    ],
    [
      'an argument too many',
      [search],
      answer(['search', { color: 'wild', page: 1, size: '' }]),
      { merged: 'arguments', 'per-call': 'arguments' },
    ],
    [
      'a nested value that differs',
      [nested],
      answer(['update', { id: 'u', data: { url: '', tags: [] } }]),
      { merged: 'arguments', 'per-call': 'arguments' },
    ],
    [
      'another tool',
      [search],
      answer(['find', { color: 'wild', page: 1 }]),
      { merged: 'actions', 'per-call': 'actions' },
    ],
    [
      'the right call twice',
      [search],
      answer(['search', search.input], ['search', search.input]),
      { merged: 'actions', 'per-call': 'actions' },
    ],
    ['one call of two', twins, answer(['get', { a: 1, b: 2 }]), { merged: 'actions', 'per-call': 'actions' }],
    [
      'two calls in another order',
      twins,
      answer(['get', { b: 2 }], ['get', { a: 1 }]),
      { merged: 'solved', 'per-call': 'solved' },
    ],
    [
      'arguments spread otherwise over the calls',
      twins,
      answer(['get', { a: 1, b: 2 }], ['get', {}]),
      { merged: 'solved', 'per-call': 'arguments' },
    ],
    [
      'a later call over an earlier one',
      [gold('get', { a: 2 }), gold('get', { a: 1 })],
      answer(['get', { a: 2 }], ['get', { a: 1 }]),
      { merged: 'solved', 'per-call': 'solved' },
    ],
    ['no call', [search], 'I do not know.', { merged: 'format', 'per-call': 'format' }],
    ['nothing', [search], '', { merged: 'format', 'per-call': 'format' }],
    [
      'a broken input',
      [search],
      'Action: search\nAction Input: {"color": wild}',
      { merged: 'format', 'per-call': 'format' },
    ],
    [
      'an input that is no object',
      [search],
      'Action: search\nAction Input: wild',
      { merged: 'format', 'per-call': 'format' },
    ],
    [
      'no input where none is needed',
      [gold('random', {})],
      'Action: random',
      { merged: 'solved', 'per-call': 'format' },
    ],
    [
      'an input on the next line',
      [search],
      'Action: search\nAction Input:\n{"color": "wild", "page": 1}',
      { merged: 'solved', 'per-call': 'solved' },
    ],
    [
      'everything on one line',
      [search],
      'Thought: go. Action: search Action Input: {"color": "wild", "page": 1}',
      { merged: 'solved', 'per-call': 'solved' },
    ],
    [
      'text after the input',
      [search],
      `${answer(['search', search.input])}} and so on: {"x": 1}`,
      { merged: 'solved', 'per-call': 'solved' },
    ],
    [
      'marks inside an input',
      [gold('say', { text: 'Action: run Action Input: {}' })],
      answer(['say', { text: 'Action: run Action Input: {}' }]),
      { merged: 'solved', 'per-call': 'solved' },
    ],
    [
      'an optional call made',
      [search, gold('get', { a: 1 }, true)],
      answer(['search', search.input], ['get', { a: 1 }]),
      { merged: 'solved', 'per-call': 'solved' },
    ],
    [
      'an optional call left out',
      [search, gold('get', { a: 1 }, true)],
      answer(['search', search.input]),
      { merged: 'solved', 'per-call': 'solved' },
    ],
    [
      'an optional call made wrongly',
      [search, gold('get', { a: 1 }, true)],
      answer(['search', search.input], ['get', { a: 2 }]),
      { merged: 'arguments', 'per-call': 'arguments' },
    ],
  ])('judges %s', (_name, calls, text, verdicts) => {
    for (const pairing of ['merged', 'per-call'] as const) {
      expect([pairing, grade({ gold: calls }, text, pairing).verdict]).toEqual([pairing, verdicts[pairing]]);
    }
  });
});
