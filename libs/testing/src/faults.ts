/** What goes wrong in the next calls of a scripted service. */
import { setTimeout as delay } from 'node:timers/promises';
import { unavailable } from '@backsight/rpc';

/** One thing going wrong. */
export type Fault =
  /** Refused before anything is done. */
  | { readonly kind: 'refuse'; readonly error: Error }
  /** Fails in the middle: a stream after some messages, a transaction before it is taken. */
  | { readonly kind: 'break'; readonly error: Error; readonly afterMessages?: number }
  /** Done, but the reply is lost. */
  | { readonly kind: 'lose-reply' }
  /** Answers after this long, or never when the caller leaves first. */
  | { readonly kind: 'delay'; readonly ms: number };

/** Faults by method, first in first out; each spoils one call. */
export interface FaultQueue<Method extends string> {
  add(method: Method, ...faults: readonly Fault[]): void;
  /** Faults not yet met. */
  pending(method: Method): number;
  /** At the start of a call. */
  before(method: Method, signal: AbortSignal): Promise<void>;
  /** In the middle of it, once per message. */
  during(method: Method, signal: AbortSignal): Promise<void>;
  /** When its work is done. */
  after(method: Method, signal: AbortSignal): Promise<void>;
}

/** A queue with no faults. */
export function faultQueue<Method extends string>(): FaultQueue<Method> {
  const queues = new Map<Method, Fault[]>();
  const messages = new Map<Method, number>();
  const queueOf = (method: Method): Fault[] => {
    const found = queues.get(method) ?? [];
    queues.set(method, found);
    return found;
  };
  return {
    add: (method, ...faults) => queueOf(method).push(...faults),
    pending: (method) => queueOf(method).length,
    async before(method, signal) {
      messages.set(method, 0);
      const [fault] = queueOf(method);
      if (fault?.kind === 'refuse') {
        queueOf(method).shift();
        throw fault.error;
      }
      if (fault?.kind === 'delay') {
        queueOf(method).shift();
        await delay(fault.ms, undefined, { signal });
      }
    },
    during(method) {
      const [fault] = queueOf(method);
      const sent = messages.get(method) ?? 0;
      messages.set(method, sent + 1);
      if (fault?.kind !== 'break' || sent < (fault.afterMessages ?? 0)) return Promise.resolve();
      queueOf(method).shift();
      return Promise.reject(fault.error);
    },
    after(method) {
      if (queueOf(method)[0]?.kind !== 'lose-reply') return Promise.resolve();
      queueOf(method).shift();
      return Promise.reject(unavailable('the reply was lost on its way', 10));
    },
  };
}
