export { readConfig, type PolicyConfig } from './config.js';
export { startPolicy } from './policy.js';
export { policyService, type PolicyServiceOptions } from './policy-service.js';
