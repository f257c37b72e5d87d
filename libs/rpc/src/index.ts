/** Serve and connect rooms. Services know gRPC by these names alone. */
export { ClientError, Metadata, ServerError, Status } from 'nice-grpc';
export type { CallContext, CallOptions, Client, ServiceImplementation } from 'nice-grpc';
export { formatAddress, parseAddress, type Address } from './address.js';
export { connect, type Connection, type ConnectOptions, type RoomCallOptions } from './connect.js';
export { failureCodes, type Failure, type FailureCode, type Violation } from './failure.js';
export {
  aborted,
  failedPrecondition,
  internal,
  invalidArgument,
  notFound,
  passedOn,
  resourceExhausted,
  unavailable,
  unimplemented,
} from './failures.js';
export { listenProblem } from './listen-problem.js';
export { createLogger, logLevels, type Logger, type LoggerOptions, type LogLevel } from './logger.js';
export { defaultMaxMessageBytes } from './message-limits.js';
export { Counter, createRegistry, Gauge, Histogram, type Registry } from './metrics.js';
export { describeError, describeFailure, readFailure } from './read-failure.js';
export { endByHangUp, endWithReader, whenReaderLeaves } from './reader-left.js';
export type { RetryPolicy } from './retry.js';
export { within, type Within } from './within.js';
export { runRoom, type Room, type RoomContext, type StartedRoom } from './room.js';
export { serve, type RunningServer, type ServeOptions } from './serve.js';
export { service, type CallIdentity, type RoomCallContext, type ServedService } from './service.js';
export * as setting from './settings.js';
export {
  type Environment,
  readSettings,
  roomSettings,
  SettingsError,
  type SettingValues,
} from './settings.js';
export { isAbort } from './thrown.js';
export { currentTrace, inTrace, newTrace, type Trace, traceFields } from './trace.js';
export { waitUntilServing, type WaitOptions } from './wait-until-serving.js';
