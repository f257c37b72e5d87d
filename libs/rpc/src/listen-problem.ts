/** Says in one sentence why an address could not be listened on. */
import { messageOf } from './thrown.js';

/** An error for people, with the original as its cause. */
export function listenProblem(address: string, cause: unknown): Error {
  return new Error(sentence(address, messageOf(cause)), { cause });
}

function sentence(address: string, problem: string): string {
  if (problem.includes('EADDRINUSE')) {
    return `the address ${address} is in use by another process: stop that process or choose another address`;
  }
  if (problem.includes('EACCES')) {
    return `the address ${address} may not be listened on by this user: choose a port of 1024 or above`;
  }
  if (problem.includes('EADDRNOTAVAIL') || problem.includes('ENOTFOUND')) {
    return `the address ${address} does not belong to this machine: choose one of its own, for example 127.0.0.1`;
  }
  return `the address ${address} cannot be listened on: ${problem}`;
}
