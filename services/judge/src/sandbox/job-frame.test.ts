import { Readable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { FrameReader } from './frames.js';
import { encodeJob } from './job-frame.js';

const limits = { cpuMs: 1, wallMs: 2, memoryBytes: 3, outputBytes: 4, processes: 5 };

describe('encodeJob', () => {
  it('announces the bytes of each part, in the order in which they follow', async () => {
    const job = {
      language: 'python',
      source: 'é',
      files: [{ path: 'a', content: Buffer.from('file') }],
      runs: [
        { kind: 'stdio', input: Buffer.from('in') },
        { kind: 'call', name: 'f', argumentsJson: ['1', '[2]'] },
        { kind: 'check', code: 'pass', token: 'word' },
      ],
      limits,
    } as const;
    const reader = new FrameReader(Readable.from([encodeJob(job, Buffer.from('made'), true)]));
    expect(await reader.readHeader()).toEqual({
      language: 'python',
      limits,
      arguments: [],
      sourceBytes: 2,
      artefactBytes: 4,
      files: [{ path: 'a', bytes: 4 }],
      runs: [
        { kind: 'stdio', bytes: 2 },
        { kind: 'call', bytes: 36 },
        { kind: 'check', bytes: 9 },
      ],
      announce: true,
    });
    const rest = `émadefilein{"function":"f","arguments":[1,[2]]}word\npass`;
    expect((await reader.readBytes(Buffer.byteLength(rest))).toString()).toBe(rest);
  });
});
