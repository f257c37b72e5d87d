/** What a recipe starts from: the settings that its own keys change. */
import { exampleDefaults, hindsightDefaults, type Preset, presets, type PresetName } from '@backsight/sdpo';
import { isMap, type Json, toJson } from './json.js';

/** The preset that the recipe names, or the defaults of the terms that its objective has. */
export function startingPoint(recipe: Json): Json {
  const asked = isMap(recipe) ? recipe['preset'] : undefined;
  const preset = Object.entries(presets).find(([name]) => name === asked)?.[1];
  return preset === undefined
    ? withoutPreset(recipe)
    : {
        ...everyRecipe,
        ...fromPreset(preset),
        ...evaluation(recipe, { ...preset.sampling, maxTokens: preset.maxCompletionTokens }),
      };
}

const published: Preset = presets['sdpo-rich-feedback' satisfies PresetName];

/** What neither the algorithm nor a preset decides. */
const everyRecipe = {
  name: 'run',
  seed: 0,
  stopWhenSolved: false,
  taskOrder: 'shuffled',
  policy: { start: 'current', templateArguments: {} },
  checkpoint: { everySteps: 10 },
  maxStaleness: 0,
  examples: {
    advantage: exampleDefaults.advantage,
    routing: exampleDefaults.routing,
    questionWeighting: exampleDefaults.questionWeighting,
    untaught: exampleDefaults.untaught,
  },
};

const told = {
  maxTeacherPromptTokens: exampleDefaults.maxTeacherPromptTokens,
  wording: { ...exampleDefaults.wording },
};

function fromPreset(preset: Preset): Record<string, Json> {
  return {
    tasksPerStep: preset.tasksPerStep,
    groupSize: preset.groupSize,
    sampling: { ...preset.sampling, maxTokens: preset.maxCompletionTokens },
    ...(preset.hindsight === undefined ? {} : { hindsight: { ...preset.hindsight, ...told } }),
    objective: toJson(preset.objective),
    ...(preset.teacher === undefined ? {} : { teacher: { ...preset.teacher } }),
    examples: { ...everyRecipe.examples, advantage: preset.advantage },
    optimizer: { ...preset.optimizer },
    miniBatches: preset.miniBatches,
  };
}

/** Caps and clips that may be absent stay absent; what must be there is as published. Learning rate and length are to be chosen. */
function withoutPreset(recipe: Json): Json {
  const { learningRate: _, ...optimizer } = published.optimizer;
  const terms = isMap(recipe) && isMap(recipe['objective']) ? recipe['objective'] : {};
  const distils = isMap(terms['distillation']);
  return {
    ...everyRecipe,
    tasksPerStep: published.tasksPerStep,
    groupSize: published.groupSize,
    sampling: { ...published.sampling },
    ...(distils || (isMap(recipe) && isMap(recipe['hindsight']))
      ? { hindsight: { ...hindsightDefaults, ...told } }
      : {}),
    objective: {
      aggregation: published.objective.aggregation,
      temperature: published.objective.temperature,
      ...(distils ? { distillation: { weight: 1, granularity: 'logit' } } : {}),
      ...(isMap(terms['policyGradient']) ? { policyGradient: { weight: 1 } } : {}),
      ...(isMap(terms['likelihood']) ? { likelihood: { weight: 1 } } : {}),
    },
    ...(distils ? { teacher: { ...published.teacher } } : {}),
    optimizer,
    miniBatches: 1,
    ...evaluation(recipe, published.sampling),
  };
}

/** A recipe that evaluates samples as it trains, unless it says otherwise. */
function evaluation(recipe: Json, sampling: Readonly<Record<string, number>>): Record<string, Json> {
  if (!isMap(recipe) || !isMap(recipe['evaluation'])) return {};
  const own = isMap(recipe['sampling']) ? recipe['sampling'] : {};
  return {
    evaluation: { everySteps: 5, samplesPerTask: 4, beforeTraining: true, sampling: { ...sampling, ...own } },
  };
}
