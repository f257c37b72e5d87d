export { addModel, type AddedModel, type AddModelOptions } from './add-model.js';
export { FetchError } from './fetch-error.js';
export type { Progress } from './progress.js';
