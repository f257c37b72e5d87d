export { createRenderer } from './renderer.js';
export type { EncodePromptOptions, Message, Renderer, RendererOptions, Tool } from './renderer.js';
export { RendererError } from './renderer-error.js';
