import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadModelFolder, readModelTexts, type Engine } from '@backsight/engine';
import { loadOrtEngine } from '@backsight/engine-ort';
import { createRenderer } from '@backsight/renderer';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { tinyConfig, tinyTexts } from './model.js';
import { measureSkills, type SkillScore } from './skills.js';

const folder = join(import.meta.dirname, '../weights');

describe('weights', () => {
  let checkpointFolder = '';
  let engine: Engine;
  let skills: readonly SkillScore[] = [];
  beforeAll(async () => {
    checkpointFolder = await mkdtemp(join(tmpdir(), 'backsight-tiny-'));
    const options = {
      modelFolder: folder,
      checkpointFolder,
      threads: 2,
      generationSlots: 64,
      microBatchTokens: 2048,
    };
    engine = await loadOrtEngine(options);
    const { tokenizerJson, tokenizerConfigJson, chatTemplate } = await readModelTexts(folder);
    const renderer = createRenderer({ tokenizerJson, tokenizerConfigJson, chatTemplate });
    skills = await measureSkills(
      engine,
      renderer,
      { documents: 128, seed: 77 },
      new AbortController().signal,
    );
  });
  afterAll(async () => {
    await engine.close();
    await rm(checkpointFolder, { recursive: true });
  });
  const accuracy = (name: string) => skills.find((skill) => skill.name === name)?.accuracy;

  it('are what the sources describe', async () => {
    const { config, texts } = await loadModelFolder(folder);
    expect(config).toEqual(tinyConfig);
    expect(texts.files).toMatchObject(tinyTexts());
    expect(engine.card.parameterCount).toBeLessThan(800_000);
  });

  it('guess two verbs hardly ever: there is much to learn', () => {
    expect(accuracy('P2')).toBeLessThan(0.08);
  });

  it('copy a solution that they are shown', () => {
    expect(accuracy('SOL2')).toBeGreaterThan(0.95);
    expect(accuracy('SOL3')).toBeGreaterThan(0.9);
  });

  it('use feedback, but not well: the student can outgrow the teacher', () => {
    expect(accuracy('FB1')).toBeGreaterThan(0.65);
    expect(accuracy('FB2')).toBeGreaterThan(0.2);
    expect(accuracy('FB2')).toBeLessThan(0.6);
  });

  it('use feedback over several turns', () => {
    expect(accuracy('T2')).toBeGreaterThan(0.2);
  });
});
