/** The edge of the room: unpack, judge, pack. */
import type { JudgeBatchRequest, JudgeRequest, JudgeResponse } from '@backsight/contract/judge';
import type { DeepPartial, JudgeBatchResponse, JudgeServiceImplementation } from '@backsight/contract/judge';
import { type CallIdentity, invalidArgument } from '@backsight/rpc';
import { failureOf, statusOf } from './judge-failure.js';
import type { Judge } from './judging/judge.js';
import { inAnyOrder } from './merge.js';
import { packDescription, packExecution, packJudgement } from './pack-response.js';
import { unpackExecute, unpackJudge } from './unpack-request.js';

/** Implements JudgeService. */
export function judgeService(judge: Judge): JudgeServiceImplementation<CallIdentity> {
  const { languages } = judge.sandbox;

  const judgeOne = async (request: JudgeRequest, signal: AbortSignal): Promise<JudgeResponse> => {
    const { submission, feedback, queueBudgetMs } = unpackJudge(request, languages);
    const answer = await judge.judge(submission, { signal, budgetMs: queueBudgetMs });
    return packJudgement(submission, answer, feedback);
  };

  return {
    async judge(request, { signal }) {
      try {
        return await judgeOne(request, signal);
      } catch (error) {
        throw statusOf(error);
      }
    },

    async *judgeBatch(requests, { signal, logger }) {
      const seen = new Set<string>();
      // As many as could run or wait at all; the rest stay with the caller.
      const width = judge.queue.capacity + judge.queue.maxWaiting;
      const answers = inAnyOrder(
        requests,
        width,
        async (
          { submissionId, request }: JudgeBatchRequest,
          abandoned,
        ): Promise<DeepPartial<JudgeBatchResponse>> => {
          requireNew(submissionId, seen);
          try {
            if (request === undefined)
              throw invalidArgument([{ field: 'request', description: 'must be set' }]);
            return { submissionId, result: { $case: 'response', value: await judgeOne(request, abandoned) } };
          } catch (error) {
            if (!abandoned.aborted) logger.warn({ err: error, submissionId }, 'a submission was not judged');
            return { submissionId, result: { $case: 'failure', value: failureOf(error) } };
          }
        },
        signal,
      );
      yield* answers;
    },

    async execute(request, { signal }) {
      const job = unpackExecute(request, languages);
      try {
        return packExecution(await judge.execute(job, { signal }));
      } catch (error) {
        throw statusOf(error);
      }
    },

    describe: () => Promise.resolve(packDescription(judge.sandbox, judge.queue)),
  };
}

function requireNew(submissionId: string, seen: Set<string>): void {
  const description =
    submissionId === ''
      ? 'must not be empty'
      : seen.has(submissionId)
        ? `"${submissionId}" came twice`
        : undefined;
  if (description !== undefined) throw invalidArgument([{ field: 'submission_id', description }]);
  seen.add(submissionId);
}
