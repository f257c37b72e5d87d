/** The kit for environments: write one as a coroutine, serve it, play it. */
export { openEpisode, playEpisode, type EpisodeRequest, type Player, type RemoteEpisode } from './client.js';
export {
  FeedbackKind,
  FeedbackVisibility,
  type Action,
  type Environment,
  type Episode,
  type EpisodeOptions,
  type Feedback,
  type Message,
  type Observation,
  type Outcome,
  type Split,
  type Task,
  type Tool,
} from './environment.js';
export { environmentService, type EnvironmentServiceOptions } from './service.js';
export { singleTurn } from './single-turn.js';
export { fieldProblem, readTaskFiles, type RowReading, TaskFileError } from './task-files.js';
