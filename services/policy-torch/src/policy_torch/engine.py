"""The engine: takes calls on rank 0 and decides what all ranks do next, one action after the other in a thread of its own.

Completions are sampled in ticks, between which reading calls are answered. What changes weights waits until no completion is
running, and nothing new starts meanwhile: a completion is drawn from one version of the weights from first token to last.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future
from typing import Any

from policy_torch.core import (
    EXPECTED,
    Action,
    Copy,
    Core,
    Export,
    Idle,
    Replace,
    Restore,
    Save,
    Score,
    Stop,
    Tick,
    Ticked,
    Train,
)
from policy_torch.errors import AwayError, CancelledWork, FullError, VersionMismatchError
from policy_torch.generate import Finished, Sample
from policy_torch.sampling import Sampling

log = logging.getLogger(__name__)

#: Tokens between two meetings of the ranks, when there are several.
STEPS_BETWEEN_MEETINGS = 8
#: How long a caller is asked to wait for memory or for another replica, in milliseconds.
RETRY_MS = 1000


class _Job:
    """A call that waits for its action."""

    def __init__(self, action: Action, exclusive: bool) -> None:
        self.action, self.exclusive = action, exclusive
        self.result: Future[Any] = Future()
        self.cancelled = threading.Event()


class _Request:
    """A generate call: where its completions go."""

    def __init__(self, number: int, samples: list[Sample], loop: asyncio.AbstractEventLoop) -> None:
        self.number, self.left = number, len(samples)
        self._loop = loop
        self.queue: asyncio.Queue[Finished | BaseException] = asyncio.Queue()
        self.cancelled = False

    def deliver(self, item: Finished | BaseException) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.queue.put_nowait, item)


class Engine:
    """What the service calls; every method may be called while others run."""

    def __init__(
        self, core: Core, heartbeat_s: float = 60.0, on_broken: Callable[[BaseException], None] = lambda _: None
    ) -> None:
        """`heartbeat_s`: how often idle ranks meet, to learn that the others live. `on_broken` is told why a group is lost."""
        self.core = core
        self._heartbeat_s, self._on_broken = heartbeat_s, on_broken
        self._numbers = itertools.count(1)
        self._changed = threading.Condition()
        self._jobs: deque[_Job] = deque()
        self._waiting: deque[Sample] = deque()
        self._requests: dict[int, _Request] = {}
        self._drop: set[int] = set()
        self._free = [core.decoder.free] * core.group.size
        self._running = 0
        self._gone: AwayError | None = None
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    @property
    def version(self) -> int:
        """Optimizer steps the current weights have taken."""
        return self.core.policy.version

    async def generate(
        self, prompts: list[list[int]], group_size: int, sampling: Sampling
    ) -> AsyncGenerator[Finished, None]:
        """Yields each completion as it ends; leaving the iteration frees the slots before the next token."""
        number = next(self._numbers)
        samples = [
            Sample(number, index, sample, tuple(ids), sampling)
            for index, ids in enumerate(prompts)
            for sample in range(group_size)
        ]
        request = _Request(number, samples, asyncio.get_running_loop())
        with self._changed:
            self._require_here()
            self._requests[number] = request
            self._waiting.extend(samples)
            self._changed.notify()
        try:
            for _ in samples:
                item = await request.queue.get()
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            with self._changed:
                if self._requests.pop(number, None) is not None and request.left > 0:
                    self._waiting = deque(each for each in self._waiting if each.request != number)
                    self._drop.add(number)
                self._changed.notify()

    async def call(self, action: Score | Train | Save | Restore | Replace | Export | Copy) -> Any:
        """Performs an action and returns its result; cancelling stops it before its next micro-batch."""
        job = _Job(action, isinstance(action, Train | Restore | Replace))
        with self._changed:
            self._require_here()
            self._jobs.append(job)
            self._changed.notify()
        try:
            return await asyncio.wrap_future(job.result)
        except asyncio.CancelledError:
            job.cancelled.set()
            raise

    async def close(self) -> None:
        """Fails what waits and what is being sampled, lets a running action end, and stops all ranks."""
        with self._changed:
            self._lose(AwayError("The engine is closed."))
        await asyncio.to_thread(self._thread.join)

    def _require_here(self) -> None:
        if self._gone is not None:
            raise self._gone

    def _run(self) -> None:
        group = self.core.group
        try:
            while self._gone is None:
                work = self._next()
                if isinstance(work, _Job):
                    self._perform(work)
                else:
                    ticked = self._together(work)
                    if isinstance(work, Tick):
                        self._take(ticked)
            group.broadcast(Stop())
        except BaseException as error:
            log.critical("the engine is lost", exc_info=error)
            with self._changed:
                self._lose(_lost_rank())
            self._on_broken(error)

    def _next(self) -> _Job | Tick | Idle:
        """Waits for something to do."""
        with self._changed:
            deadline = time.monotonic() + self._heartbeat_s
            while self._gone is None:
                busy = self._running > 0 or bool(self._drop)
                job = self._jobs[0] if self._jobs else None
                if job is not None and not (job.exclusive and busy):
                    return self._jobs.popleft()
                writer_waits = any(each.exclusive for each in self._jobs)
                start = [[] for _ in self._free] if writer_waits else self._place()
                if busy or any(start):
                    drop, self._drop = self._drop, set()
                    return Tick(start, drop, 1 if self.core.group.size == 1 else STEPS_BETWEEN_MEETINGS)
                left = deadline - time.monotonic()
                if left <= 0 and self.core.group.size > 1:
                    return Idle()
                self._changed.wait(max(left, 0.01) if self.core.group.size > 1 else None)
            return Idle()

    def _place(self) -> list[list[Sample]]:
        """Gives waiting samples to free slots; samples of one prompt go to one rank while it has room, and so share its reading."""
        start: list[list[Sample]] = [[] for _ in self._free]
        free = list(self._free)
        rank, prompt = 0, None
        while self._waiting and max(free) > 0:
            sample = self._waiting[0]
            if free[rank] == 0 or (sample.request, sample.prompt_index) != prompt:
                rank = free.index(max(free))
                prompt = (sample.request, sample.prompt_index)
            start[rank].append(self._waiting.popleft())
            free[rank] -= 1
        return start

    def _together(self, action: Action, cancelled: Callable[[], bool] = lambda: False) -> Any:
        self.core.group.broadcast(action)
        return self.core.perform(action, cancelled)

    def _perform(self, job: _Job) -> None:
        if not job.result.set_running_or_notify_cancel():
            return
        try:
            if isinstance(job.action, Train) and job.action.plan.expected_version != self.version:
                raise VersionMismatchError(job.action.plan.expected_version, self.version)
            if job.cancelled.is_set():
                raise CancelledWork
            job.result.set_result(self._together(job.action, job.cancelled.is_set))
        except (*EXPECTED, VersionMismatchError) as error:
            job.result.set_exception(error)
        except Exception as error:
            if self.core.group.size == 1:
                job.result.set_exception(error)
                return
            job.result.set_exception(_lost_rank())
            raise  # the other ranks are elsewhere now

    def _take(self, ticked: list[Ticked]) -> None:
        """Hands out what a tick finished."""
        with self._changed:
            self._free = [each.free for each in ticked]
            self._running = sum(each.running for each in ticked)
            for finished in (item for each in ticked for item in each.finished):
                request = self._requests.get(finished.request)
                if request is not None:
                    request.left -= 1
                    request.deliver(finished)
            failure = next((each.failure for each in ticked if each.failure is not None), None)
            if failure is not None:
                why, told = failure
                self._fail_requests(FullError(told, RETRY_MS) if why == "memory" else FloatingPointError(told))

    def _fail_requests(self, error: BaseException) -> None:
        self._waiting.clear()
        for request in self._requests.values():
            self._drop.add(request.number)
            request.left = 0
            request.deliver(error)
        self._requests.clear()

    def _lose(self, reason: AwayError) -> None:
        """From now on there is nobody to answer."""
        if self._gone is None:
            self._gone = reason
        self._fail_requests(reason)
        while self._jobs:
            job = self._jobs.popleft()
            if job.result.set_running_or_notify_cancel():
                job.result.set_exception(reason)
        self._changed.notify_all()


def _lost_rank() -> AwayError:
    return AwayError("A rank of the policy's group is lost; the policy must be started again.")
