import { describe, expect, it } from '@jest/globals';
import { NotPickledText, readPickledText } from './pickled-text.js';

const read = (base64: string): string => readPickledText(Buffer.from(base64, 'base64'));

describe('readPickledText', () => {
  // pickle.dumps('Grüße', protocol) for the protocols of Python 3
  it.each([
    [2, 'gAJYBwAAAEdyw7zDn2VxAC4='],
    [3, 'gANYBwAAAEdyw7zDn2VxAC4='],
    [4, 'gASVCwAAAAAAAACMB0dyw7zDn2WULg=='],
    [5, 'gAWVCwAAAAAAAACMB0dyw7zDn2WULg=='],
  ])('reads a string of protocol %d', (_protocol, base64) => {
    expect(read(base64)).toBe('Grüße');
  });

  it('reads strings of every length, however their length is written', () => {
    const long = 'x'.repeat(300);
    const length = Buffer.alloc(8);
    length.writeUInt32LE(300);
    expect(
      readPickledText(Buffer.from(`\x80\x04X${length.toString('latin1', 0, 4)}${long}\x94.`, 'latin1')),
    ).toBe(long);
    expect(readPickledText(Buffer.from(`\x80\x04\x8d${length.toString('latin1')}${long}.`, 'latin1'))).toBe(
      long,
    );
  });

  it.each([
    ['a list', 'gASVCAAAAAAAAABdlIwBYZRhLg==', /more than a string \(opcode 0x5d\)/],
    ['a call of print', 'gASVHgAAAAAAAACMCGJ1aWx0aW5zlIwFcHJpbnSUk5SMAXiUhZRSlC4=', /opcode 0x93/],
    ['half a pickle', 'gASVCwAAAAAAAACMB0dy', /ends in the middle/],
    ['no bytes', '', /ends in the middle/],
    ['an empty pickle', 'gAQu', /holds nothing/],
    ['a length beyond any file', 'gASN//////////8=', /ends in the middle/],
  ])('refuses %s', (_name, base64, why) => {
    expect(() => read(base64)).toThrow(NotPickledText);
    expect(() => read(base64)).toThrow(why);
  });
});
