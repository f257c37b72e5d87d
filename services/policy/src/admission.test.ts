import { describe, expect, it } from '@jest/globals';
import { Admission } from './admission.js';

describe('Admission', () => {
  it('lets in up to its capacity, and more once something has left', () => {
    const admission = new Admission('calls', 3, 250);
    const leave = admission.enter(2);
    admission.enter();
    expect(() => admission.enter()).toThrow('3 of at most 3 calls are in progress');
    leave();
    expect(() => admission.enter(2)).not.toThrow();
  });

  it('counts what leaves once, however often it says so', () => {
    const admission = new Admission('calls', 2, 250);
    const leave = admission.enter();
    admission.enter();
    leave();
    leave();
    admission.enter();
    expect(() => admission.enter()).toThrow('2 of at most 2');
  });

  it('lets more than its capacity into an empty room', () => {
    const admission = new Admission('calls', 2, 250);
    const leave = admission.enter(5);
    expect(() => admission.enter()).toThrow('5 of at most 2');
    leave();
    expect(() => admission.enter()).not.toThrow();
  });

  it('says when to try again', () => {
    const admission = new Admission('calls', 1, 250);
    admission.enter();
    expect(() => admission.enter()).toThrow(
      expect.objectContaining({ name: 'BusyError', retryAfterMs: 250 }),
    );
  });
});
