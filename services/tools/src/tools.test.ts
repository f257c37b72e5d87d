import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { EnvironmentServiceDefinition, FeedbackKind } from '@backsight/contract/environment';
import { environmentService, playEpisode } from '@backsight/environment';
import { connect, type Connection, createLogger, type RunningServer, serve, service } from '@backsight/rpc';
import { readConfig } from './config.js';
import { readTaskFiles } from './task-file.js';
import { toolsEnvironment } from './tools.js';

let server: RunningServer;
let connection: Connection<typeof EnvironmentServiceDefinition>;

beforeAll(async () => {
  const logger = createLogger({ name: 'tools', level: 'silent' });
  const config = readConfig({});
  const environment = toolsEnvironment(await readTaskFiles(config.tasks), config);
  server = await serve({
    name: 'tools',
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

const play = (text: string, truncated = false) =>
  playEpisode(connection.client, { taskId: 'tooluse/4048', seed: 1 }, () => ({ text, truncated }));

describe('toolsEnvironment', () => {
  it('describes itself and lists every task of its splits', async () => {
    const card = await connection.client.describe({});
    expect(card).toMatchObject({ name: 'tools', maxTurns: 1, capacity: 1024 });
    const counted = card.splits.map(async ({ name, taskCount }) => {
      const { tasks } = await connection.client.listTasks({ split: name });
      expect(tasks).toHaveLength(taskCount);
      return taskCount;
    });
    expect((await Promise.all(counted)).reduce((sum, each) => sum + each, 0)).toBe(11);
  });

  it('poses the prompt as it is, as the message of a user', async () => {
    let posed: unknown;
    await playEpisode(connection.client, { taskId: 'tooluse/4048', seed: 1 }, (observation) => {
      posed = observation;
      return { text: '', truncated: false };
    });
    expect(posed).toMatchObject({
      messages: [
        { role: 'user', content: expect.stringMatching(/^Your task[^]*axolotls' habitats\?$/) as unknown },
      ],
      tools: [],
    });
  });

  it('rewards the right call', async () => {
    const text =
      'Thought: facts.\nAction: getAxolotlFacts\nAction Input: {"limit": 3, "category": "habitat"}';
    expect(await play(text)).toMatchObject({
      reward: 1,
      solved: true,
      feedback: [],
      details: {
        verdict: 'solved',
        calls: [{ action: 'getAxolotlFacts', input: { limit: 3, category: 'habitat' } }],
      },
    });
  });

  it('says what is wrong with any other', async () => {
    const outcome = await play('Action: getAxolotlFacts\nAction Input: {"limit": 5, "category": "habitat"}');
    expect(outcome).toMatchObject({
      reward: 0,
      solved: false,
      truncated: false,
      details: { verdict: 'arguments' },
    });
    expect(outcome.feedback.map(({ text }) => text)).toEqual([
      'The right tools are called, but these arguments are not what was asked for: "limit".',
    ]);
    expect(JSON.stringify(outcome)).not.toContain('"limit":3');
  });

  it('says first that an answer was cut off', async () => {
    const outcome = await play('Thought: let me think about ax', true);
    expect(outcome.truncated).toBe(true);
    expect(outcome.feedback.map(({ kind }) => kind)).toEqual([FeedbackKind.TRUNCATION, FeedbackKind.FORMAT]);
  });
});
