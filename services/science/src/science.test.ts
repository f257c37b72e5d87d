import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { EnvironmentServiceDefinition } from '@backsight/contract/environment';
import { environmentService, playEpisode } from '@backsight/environment';
import { connect, type Connection, createLogger, type RunningServer, serve, service } from '@backsight/rpc';
import { readConfig } from './config.js';
import { judge, scienceEnvironment } from './science.js';
import { readTaskFiles } from './task-file.js';

let server: RunningServer;
let connection: Connection<typeof EnvironmentServiceDefinition>;

beforeAll(async () => {
  const logger = createLogger({ name: 'science', level: 'silent' });
  const config = readConfig({});
  const environment = scienceEnvironment(await readTaskFiles(config.tasks, config.form), config);
  server = await serve({
    name: 'science',
    address: '127.0.0.1:0',
    logger,
    services: [service(EnvironmentServiceDefinition, environmentService(environment, { logger }))],
  });
  connection = connect(EnvironmentServiceDefinition, server.address);
});

afterAll(async () => {
  connection.close();
  await server.shutdown(100);
});

const play = (text: string, taskId = 'lever-arm') =>
  playEpisode(connection.client, { taskId, seed: 1 }, () => ({ text, truncated: false }));

describe('scienceEnvironment', () => {
  it('describes itself and lists the tasks of its splits in their order', async () => {
    const card = await connection.client.describe({});
    expect(card).toMatchObject({
      name: 'science',
      maxTurns: 1,
      capacity: 1024,
      splits: [
        { name: 'train', taskCount: 6 },
        { name: 'test', taskCount: 3 },
      ],
    });
    const { tasks } = await connection.client.listTasks({ split: 'test' });
    expect(tasks.map(({ taskId }) => taskId)).toEqual(['half-life', 'photon-energy', 'moles-of-water']);
  });

  it('poses the same messages whatever the seed', async () => {
    const posed: unknown[] = [];
    for (const seed of [1, 2])
      await playEpisode(connection.client, { taskId: 'photon-energy', seed }, (observation) => {
        posed.push(observation.messages);
        return { text: '', truncated: false };
      });
    expect(posed[0]).toMatchObject([{ role: 'system' }, { role: 'user' }]);
    expect(posed[1]).toEqual(posed[0]);
  });

  it('rewards the right option', async () => {
    expect(await play('<reasoning>30 = 20 x 1.5</reasoning>\n<answer>\nB\n</answer>')).toMatchObject({
      reward: 1,
      solved: true,
      feedback: [],
      details: { verdict: 'solved', form: 'valid', form_valid: true, choice: 'B' },
    });
  });

  it('gives any other nothing but words, in which the right one is not', async () => {
    const outcome = await play('<answer>A</answer>');
    expect(outcome).toMatchObject({ reward: 0, solved: false, truncated: false });
    expect(outcome.details).toEqual({ verdict: 'choice', form: 'valid', form_valid: true, choice: 'A' });
    expect(outcome.feedback.map(({ text }) => text)).toEqual(['Option A is wrong.']);
  });
});

describe('judge', () => {
  const task = { options: ['A', 'B', 'C'].map((letter) => ({ letter, text: `to ${letter}` })), answer: 'C' };

  it('gives a right letter without tags its reward or not, and tells of the form in both cases', () => {
    const action = { text: 'C', truncated: false, seed: 0 };
    const any = judge(task, action, { form: 'tags', grading: 'any-form', reveal: 'hints' });
    const valid = judge(task, action, { form: 'tags', grading: 'valid-form', reveal: 'hints' });
    expect(any).toMatchObject({ reward: 1, details: { form: 'no-tag', form_valid: false } });
    expect(valid).toMatchObject({ reward: 0, details: { verdict: 'format', form_valid: false } });
    expect(any.feedback).toEqual(valid.feedback);
  });

  it('keeps the right letter out of the details, too, unless it may be told', () => {
    const action = { text: '<answer>A</answer>', truncated: true, seed: 0 };
    expect(
      JSON.stringify(judge(task, action, { form: 'tags', grading: 'any-form', reveal: 'hints' })),
    ).not.toContain('"C"');
    const told = judge(task, action, { form: 'tags', grading: 'any-form', reveal: 'answer' });
    expect(told).toMatchObject({ truncated: true, details: { answer: 'C' } });
  });
});
