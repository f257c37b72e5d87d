import { describe, expect, it } from '@jest/globals';
import { ArtefactCache, artefactKey } from './artefact-cache.js';

describe('ArtefactCache', () => {
  it('keeps what was used last, as many bytes as it may', () => {
    const cache = new ArtefactCache(10);
    cache.put('a', Buffer.alloc(4));
    cache.put('b', Buffer.alloc(4));
    expect(cache.get('a')).toHaveLength(4);
    cache.put('c', Buffer.alloc(4));
    expect(cache.get('b')).toBeUndefined();
    expect(cache.get('a')).toHaveLength(4);
    cache.put('a', Buffer.alloc(6));
    expect(cache.get('c')).toHaveLength(4);
    cache.put('huge', Buffer.alloc(11));
    expect(cache.get('huge')).toBeUndefined();
    cache.put('small', Buffer.alloc(10));
    expect(cache.get('small')).toHaveLength(10);
  });
});

describe('artefactKey', () => {
  it('differs with the language, its version and the source', () => {
    const keys = [artefactKey('cpp', '12', 'x'), artefactKey('c', '12', 'x'), artefactKey('cpp', '13', 'x')];
    expect(new Set([...keys, artefactKey('cpp', '12', 'y'), artefactKey('cpp', '12', 'x')]).size).toBe(4);
  });
});
