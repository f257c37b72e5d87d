"""What every method of the service has in common: a request id, failures as statuses, an end when the room stops."""

from __future__ import annotations

import asyncio
import functools
import logging
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

from grpc_status import rpc_status

from policy_torch.exposition import ROOM, Figures
from policy_torch.failures import Failure, failure_of, internal, shutting_down

log = logging.getLogger(__name__)

SERVICE = "backsight.policy.v1.PolicyService"
#: The metadata key of a request id, both ways.
REQUEST_ID_KEY = "x-request-id"

T = TypeVar("T")


class RefusedCall(Exception):
    """A failure that is already one."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Calls:
    """The calls in flight."""

    def __init__(self, figures: Figures) -> None:
        self.figures = figures
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stopping = False

    def end(self) -> None:
        """Ends all calls: their callers read UNAVAILABLE, for nobody cancelled them."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()

    def unary(self, method: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
        """Wraps a method that returns one answer."""

        @functools.wraps(method)
        async def answer(request: Any, context: Any) -> T:
            async with _Call(self, context, method.__name__, request):
                return await method(request, context)
            raise AssertionError("an ended call raises")

        return answer

    def stream(self, method: Callable[..., AsyncIterator[T]]) -> Callable[..., AsyncIterator[T]]:
        """Wraps a method that returns a stream of answers."""

        @functools.wraps(method)
        async def answers(request: Any, context: Any) -> AsyncIterator[T]:
            async with _Call(self, context, method.__name__, request):
                stream = method(request, context)
                try:
                    async for each in stream:
                        yield each
                finally:
                    close = getattr(stream, "aclose", None)
                    if close is not None:
                        await close()

        return answers


class _Call:
    """One call from its beginning to its status."""

    def __init__(self, calls: Calls, context: Any, method: str, request: Any) -> None:
        self._calls, self._context, self._method = calls, context, method
        #: The checkpoint asked for, if any.
        self._name = getattr(request, "name", "")
        self._id = _request_id(context)
        self._end = calls.figures.begin(f"{SERVICE}/{method}")

    async def __aenter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._calls._tasks.add(task)
        try:
            await self._context.send_initial_metadata(((REQUEST_ID_KEY, self._id),))
        except BaseException:
            # The caller is gone already.
            self._calls._tasks.discard(task)
            self._end("CANCELLED")
            raise

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        task = asyncio.current_task()
        if task is not None:
            self._calls._tasks.discard(task)
        if error is None or isinstance(error, GeneratorExit):
            # A stream that its caller dropped has neither an answer nor an error.
            self._end("OK" if error is None else "CANCELLED")
            return False
        if isinstance(error, asyncio.CancelledError):
            if not self._calls._stopping or self._context.cancelled():
                self._end("CANCELLED")
                return False
            if task is not None:
                task.uncancel()
            failure = shutting_down(ROOM)
        else:
            failure = self._failure(error)
        self._end(failure.code.name)
        await self._context.abort_with_status(rpc_status.to_status(failure.status(self._id)))
        return False

    def _failure(self, error: BaseException) -> Failure:
        if isinstance(error, RefusedCall):
            return error.failure
        known = failure_of(error, self._name) if isinstance(error, Exception) else None
        if known is not None:
            return known
        extra = {"requestId": self._id, "method": self._method}
        log.error("unexpected error", exc_info=error, extra={"facts": extra})
        return internal(ROOM, self._id)


def _request_id(context: Any) -> str:
    """A caller's id is kept when it is short and printable, since it goes into logs."""
    given = dict(context.invocation_metadata() or ()).get(REQUEST_ID_KEY)
    return given if isinstance(given, str) and re.fullmatch(r"[\w.:/-]{1,128}", given) else str(uuid.uuid4())


def refuse(failure: Failure) -> RefusedCall:
    return RefusedCall(failure)
