"""Keeps the engine at the weights of a trainer."""

from __future__ import annotations

import asyncio
import logging
import random
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

import grpc
from backsight.policy.v1 import policy_pb2 as proto
from backsight.policy.v1 import policy_pb2_grpc
from google.rpc import error_details_pb2 as details
from grpc_status import rpc_status

from policy_torch.config import FollowSettings
from policy_torch.core import Replace
from policy_torch.engine import Engine
from policy_torch.errors import NotYetFollowingError
from policy_torch.pull import SENT_TYPES, SentTensor
from policy_torch.receive import BrokenWeightsError, Received, blank, receive, weights_of

log = logging.getLogger(__name__)

#: Longest wait between attempts while the trainer is away, in seconds, unless the interval is longer.
MAX_BACKOFF_S = 10.0
#: How long the model card and the weights may take, in seconds.
DESCRIBE_S, PULL_S = 60.0, 3600.0


@dataclass(frozen=True)
class FollowState:
    """What became of following so far."""

    #: Waiting: nothing has been received yet, so nothing may be sampled. Fresh: the weights are the trainer's as of the last
    #: answer. Stale: it has not answered for too long; the weights are those it had.
    kind: Literal["waiting", "fresh", "stale"]
    #: Why they are not fresh, once it is known.
    problem: str | None = None


class Follower:
    """Follows from its start until it is closed; used from one event loop."""

    def __init__(self, engine: Engine, settings: FollowSettings) -> None:
        self._engine, self._settings = engine, settings
        self._dtype = proto.DATA_TYPE_FLOAT32 if settings.type == "float32" else proto.DATA_TYPE_BFLOAT16
        self._channel = grpc.aio.insecure_channel(settings.trainer, options=_OPTIONS)
        self._stub = policy_pb2_grpc.PolicyServiceStub(self._channel)
        #: Where weights are received, beside the model: it never holds half of them.
        self._tensors: list[SentTensor] | None = None
        #: What the tensors are proven to be, to take a delta on.
        self._received: Received | None = None
        self._described = False
        self._last_answer = time.monotonic()
        self._state = FollowState("waiting")
        self._following: asyncio.Task[None] | None = None

    @property
    def trainer(self) -> str:
        return self._settings.trainer

    def start(self, synced: Callable[[int, str], None], state_is: Callable[[FollowState], Awaitable[None]]) -> None:
        """`synced` is told version and name of other weights that were taken over, `state_is` each other kind of state."""
        self._following = asyncio.create_task(self._follow(synced, state_is))

    def require_weights(self) -> None:
        """Raises NotYetFollowingError while there are no weights of the trainer's to sample from."""
        if self._state.kind == "waiting":
            why = "" if self._state.problem is None else f": {self._state.problem}"
            raise NotYetFollowingError(f"waiting for the weights of the trainer at {self.trainer}{why}")

    async def close(self) -> None:
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait([self._following])
        await self._channel.close()

    async def _follow(
        self, synced: Callable[[int, str], None], state_is: Callable[[FollowState], Awaitable[None]]
    ) -> None:
        interval, failures = self._settings.interval_s, 0
        while True:
            try:
                taken = await self._sync()
                if taken is not None:
                    synced(taken.version, taken.weights_id)
                failures, self._last_answer = 0, time.monotonic()
                now = FollowState("fresh")
            except Exception as error:
                failures += 1
                now = self._after(error)
            changed = now.kind != self._state.kind
            self._state = now
            if changed:
                await state_is(now)
            backoff = min(interval * 2 ** min(failures, 32), max(MAX_BACKOFF_S, interval))
            await asyncio.sleep(interval if failures == 0 else backoff * random.uniform(0.5, 1))

    async def _sync(self) -> Received | None:
        """Takes over what the trainer has; returns what that is, if it is other than before."""
        if not self._described:
            self._require_same_model(await self._stub.Describe(proto.DescribeRequest(brief=True), timeout=DESCRIBE_S))
        self._described = True
        if self._received is None:
            return await self._pull(None)
        try:
            return await self._pull(self._received)
        except (grpc.aio.AioRpcError, BrokenWeightsError) as error:
            # The trainer no longer has the base, or what the delta led to is not right: then the whole.
            if isinstance(error, grpc.aio.AioRpcError) and error.code() != grpc.StatusCode.FAILED_PRECONDITION:
                raise
            log.info("pulling the whole weights", extra={"facts": {"why": _described(error, self.trainer)}})
            return await self._pull(None)

    async def _pull(self, base: Received | None) -> Received | None:
        """Hands over only what is proven."""
        begin = time.perf_counter()
        parameters = self._engine.core.policy.parameters
        if self._tensors is None:
            self._tensors = blank(parameters.names, parameters.shapes, self._dtype)
        self._received = None  # until the tensors are proven again
        request = proto.PullWeightsRequest(dtype=self._dtype)
        if base is not None:
            request.base_version, request.base_checksum = base.version, base.checksum
        stream = self._stub.PullWeights(request, timeout=PULL_S)
        try:
            received = await receive(stream, self._tensors, self._dtype, None if base is None else base.checksum)
        finally:
            stream.cancel()  # without effect on one that has ended
        other = base is None or received.size > 0 or received.version != base.version
        if other:
            weights = weights_of(self._tensors, self._dtype)
            wholes = [weights[name] for name in parameters.names]
            await self._engine.call(Replace(received.version, SENT_TYPES[self._dtype][0], wholes))
            seconds = time.perf_counter() - begin
            facts = {"version": received.version, "bytes": received.size, "whole": base is None, "seconds": seconds}
            log.info("weights taken over", extra={"facts": facts})
        self._received = received
        return received if other or base is None or received.weights_id != base.weights_id else None

    def _require_same_model(self, trainer: proto.DescribeResponse) -> None:
        card = self._engine.core.model.card
        theirs = trainer.architecture, trainer.parameter_count, trainer.vocabulary_size
        ours = card.architecture, card.parameter_count, card.vocabulary_size
        if theirs != ours:
            told = f"the trainer at {self.trainer} has another model: {_words(trainer.model, *theirs)}"
            raise _WrongModelError(f"{told}, where this policy is {_words(card.name, *ours)}")

    def _after(self, error: Exception) -> FollowState:
        """The state after an attempt that failed."""
        # Whoever answers next may be another process, with another model.
        self._described = False
        problem = _described(error, self.trainer)
        facts = {"trainer": self.trainer, "problem": problem}
        log.warning("the weights could not be pulled", extra={"facts": facts})
        if self._state.kind == "waiting":
            return FollowState("waiting", problem)
        late = time.monotonic() - self._last_answer >= self._settings.stale_after_s
        return FollowState("stale", problem) if late or isinstance(error, _WrongModelError) else self._state


class _WrongModelError(Exception):
    """The trainer's weights can never be this policy's."""


def _words(name: str, architecture: str, parameter_count: int, vocabulary_size: int) -> str:
    return f"{name} ({architecture}, {parameter_count} parameters, vocabulary of {vocabulary_size})"


def _described(error: Exception, trainer: str) -> str:
    """One sentence about any error; what the gRPC library says of itself is put as the other rooms put it."""
    if not isinstance(error, grpc.aio.AioRpcError):
        return str(error) or type(error).__name__
    told = error.details() or error.code().name
    status = rpc_status.from_call(error)
    if status is not None:  # the room's own words
        for each in status.details:
            info = details.RetryInfo()
            if each.Unpack(info):
                told += f" (asks to be tried again after {info.retry_delay.ToMilliseconds()} ms)"
    elif error.code() == grpc.StatusCode.UNAVAILABLE:
        for pattern, words in _REASONS:
            if found := re.search(pattern, told, re.IGNORECASE):
                return f"the room at {trainer} cannot be reached: {words or found[1]}"
    return told


_REASONS = [
    (r"DNS resolution failed", "its name is not known"),
    (r"Failed to connect to remote host: ([^;]+)", ""),
    (r"socket|connection|GOAWAY|recvmsg|sendmsg", "the connection broke"),
]

_OPTIONS = [
    ("grpc.max_send_message_length", 64 * 2**20),
    ("grpc.max_receive_message_length", 64 * 2**20),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 5000),
    # Not below the five minutes that gRPC servers of other languages allow between pings.
    ("grpc.keepalive_time_ms", 330_000),
    ("grpc.keepalive_timeout_ms", 20_000),
]
