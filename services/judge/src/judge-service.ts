/** The edge of the room: unpack, judge, pack. */
import { createHash } from 'node:crypto';
import {
  type DeepPartial,
  ExecuteRequest,
  type ExecuteResponse,
  type JudgeBatchRequest,
  type JudgeBatchResponse,
  JudgeRequest,
  type JudgeResponse,
  type JudgeServiceImplementation,
} from '@backsight/contract/judge';
import { type CallIdentity, invalidArgument, type RoomCallContext } from '@backsight/rpc';
import { failureOf, statusOf } from './judge-failure.js';
import type { Judge } from './judging/judge.js';
import type { WaitOptions } from './judging/queue.js';
import { SharedRuns } from './judging/shared-runs.js';
import { inAnyOrder } from './merge.js';
import { packDescription, packExecution, packJudgement } from './pack-response.js';
import { unpackExecute, unpackJudge } from './unpack-request.js';

/** The metadata key by which a caller says that a call is the same as one that may still be under way. */
const idempotencyKey = 'idempotency-key';

/** Implements JudgeService. */
export function judgeService(judge: Judge): JudgeServiceImplementation<CallIdentity> {
  const { languages } = judge.sandbox;
  const judgements = new SharedRuns<JudgeResponse>();
  const executions = new SharedRuns<ExecuteResponse>();

  const judgeOne = async (request: JudgeRequest, wait: WaitOptions): Promise<JudgeResponse> => {
    const { submission, feedback, queueBudgetMs } = unpackJudge(request, languages);
    const answer = await judge.judge(submission, { ...wait, budgetMs: queueBudgetMs });
    return packJudgement(submission, answer, feedback);
  };

  return {
    async judge(request, context) {
      const { caller } = context;
      try {
        return await once(judgements, context, JudgeRequest.encode(request).finish(), (signal) =>
          judgeOne(request, { caller, errand: 'judge', signal }),
        );
      } catch (error) {
        throw statusOf(error);
      }
    },

    async *judgeBatch(requests, { signal, caller, logger }) {
      const seen = new Set<string>();
      // As many as could run, and half of those who may wait; the rest stay with the caller.
      const width = judge.queue.capacity + Math.ceil(judge.queue.maxWaiting / 2);
      const answers = inAnyOrder(
        requests,
        width,
        async (
          { submissionId, request }: JudgeBatchRequest,
          abandoned,
        ): Promise<DeepPartial<JudgeBatchResponse>> => {
          requireNew(submissionId, seen);
          const wait = { caller, errand: 'batch', signal: abandoned } as const;
          try {
            if (request === undefined)
              throw invalidArgument([{ field: 'request', description: 'must be set' }]);
            return { submissionId, result: { $case: 'response', value: await judgeOne(request, wait) } };
          } catch (error) {
            if (!abandoned.aborted) logger.warn({ err: error, submissionId }, 'a submission was not judged');
            return { submissionId, result: { $case: 'failure', value: failureOf(error) } };
          }
        },
        signal,
      );
      yield* answers;
    },

    async execute(request, context) {
      const { caller } = context;
      const job = unpackExecute(request, languages);
      try {
        return await once(executions, context, ExecuteRequest.encode(request).finish(), async (signal) =>
          packExecution(await judge.execute(job, { caller, errand: 'execute', signal })),
        );
      } catch (error) {
        throw statusOf(error);
      }
    },

    describe: () => Promise.resolve(packDescription(judge.sandbox, judge.queue)),
  };
}

/** The answer to a call: its own, or that of the same call under way, for a caller that lost sight of it. */
function once<T>(
  runs: SharedRuns<T>,
  { metadata, signal }: RoomCallContext,
  request: Uint8Array,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const given = metadata.get(idempotencyKey);
  if (given === undefined) return work(signal);
  // With the request in it, a key that is used for another one does no harm.
  const key = createHash('sha256').update(`${given}\0`).update(request).digest('base64');
  return runs.join(key, signal) ?? runs.start(key, signal, work);
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
