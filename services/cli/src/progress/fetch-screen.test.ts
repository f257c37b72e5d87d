import { PassThrough } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { openFetchScreen } from './fetch-screen.js';

/** What a screen of a kind writes of a download of two files and a conversion. */
function written(kind: 'bars' | 'lines' | 'silent'): string {
  const output = new PassThrough({ encoding: 'utf8' });
  const screen = openFetchScreen(kind, output);
  screen.show({ stage: 'download', what: 'config.json', done: 500_000, total: 2_000_000 });
  screen.show({ stage: 'download', what: 'model.safetensors', done: 1_000_000, total: 2_000_000 });
  screen.show({ stage: 'download', what: 'model.safetensors', done: 2_000_000, total: 2_000_000 });
  screen.show({ stage: 'convert', what: 'small.gguf', done: 3, total: 9 });
  screen.close();
  return (output.read() as string | null) ?? '';
}

describe('openFetchScreen', () => {
  it('writes a line per piece of work when piped', () => {
    expect(written('lines')).toBe(
      'downloading config.json\ndownloading model.safetensors\nconverting small.gguf\n',
    );
  });

  it('writes nothing when a program reads', () => {
    expect(written('silent')).toBe('');
  });
});
