/** What tests of several rooms need; matchers are registered by importing `@backsight/testing/matchers`. */
export { byteTokenizer, type ByteTokenizer } from './byte-tokenizer.js';
export { faultQueue, type Fault, type FaultQueue } from './faults.js';
export { freePort } from './free-port.js';
export { startLoopback, withServer, type LoopbackOptions } from './loopback.js';
export { openly, passingOn } from './passing-policy.js';
export { openRealHouse, type RealEnvironment, type RealHouse, type RealRoom } from './real-house.js';
export {
  runToEnd,
  startRoomProcess,
  type FinishedProcess,
  type ProcessEnd,
  type RoomProcess,
  type RoomProcessOptions,
} from './room-process.js';
export {
  away,
  scriptedPolicy,
  type PolicyMethod,
  type SampleContext,
  type Script,
  type ScriptedPolicy,
  type TakenStep,
} from './scripted-policy.js';
