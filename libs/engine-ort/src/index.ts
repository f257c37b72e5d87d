export { evaluateObjective, type ObjectiveEvaluation } from './objective/evaluate.js';
