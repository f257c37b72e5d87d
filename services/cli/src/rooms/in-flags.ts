/** What a room says of its settings, by the flags of `up` that gave it them. */
export function inFlags(sentence: string, settings: Readonly<Record<string, string>>): string {
  const given = flags.filter(([variable]) => variable in settings);
  return given
    .reduce(
      (words, [variable, flag]) => words.replaceAll(new RegExp(`\\b${variable}\\b`, 'g'), flag),
      sentence,
    )
    .replace(/choose another address$/, 'choose other ports with --port');
}

const flags: readonly (readonly [variable: string, flag: string])[] = [
  ['BACKSIGHT_TASKS', '--tasks'],
  ['BACKSIGHT_TOOL_TASKS', '--tool-tasks'],
  ['BACKSIGHT_SCIENCE_TASKS', '--science-tasks'],
  ['BACKSIGHT_MODEL', '--model'],
  ['BACKSIGHT_SANDBOX', '--sandbox'],
  ['BACKSIGHT_THREADS', '--threads'],
];
