/** What the promises share. Each promise has its own entry: `@backsight/contract/policy`, `/environment`, `/judge`, `/coordinator`. */
export { Duration } from './gen/google/protobuf/duration.js';
