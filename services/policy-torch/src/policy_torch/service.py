"""The edge of the room: unpack, call the engine, pack."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
from backsight.policy.v1 import policy_pb2 as proto
from backsight.policy.v1 import policy_pb2_grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from policy_torch import pack
from policy_torch.admission import Admission
from policy_torch.checkpoint import INITIAL, CheckpointInfo, require_name
from policy_torch.core import Copy, Export, Restore, Save, Train
from policy_torch.edge import SERVICE, Calls, refuse
from policy_torch.engine import Engine
from policy_torch.errors import CheckpointError, InputError, Violation
from policy_torch.exposition import Figures
from policy_torch.failures import failed_precondition, invalid_argument, unimplemented
from policy_torch.follow import Follower
from policy_torch.pull import SENT_TYPES, WeightSource, messages
from policy_torch.unpack import read_transaction, unpack_generate, unpack_score
from policy_torch.violations import number

log = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 64 * 2**20
#: Training transactions being streamed, waiting or trained; the engine takes one at a time.
MAX_TRANSACTIONS = 4
#: Score calls running or waiting.
MAX_SCORE_CALLS = 64
#: Weights being streamed; they share copies on the host, two of each type at most.
MAX_PULLS = 32
#: How long calls may take to end once they are told to, in seconds.
FORCE_AFTER_S = 1.0
#: How long the end of a stream without a commit may run ahead of the reset that its caller sends.
SETTLE_S = 0.03


class PolicyService(policy_pb2_grpc.PolicyServiceServicer):  # type: ignore[misc] # generated code is not typed
    """PolicyService over an engine."""

    def __init__(
        self,
        engine: Engine,
        texts: tuple[str, str, str],
        max_examples: int,
        max_pending_completions: int,
        figures: Figures,
        follower: Follower | None = None,
    ) -> None:
        """`follower`: what keeps the engine at a trainer's weights; None: it trains its own."""
        self._follower = follower
        self._engine, self._texts, self._max_examples = engine, texts, max_examples
        self._card = engine.core.model.card
        self._completions = Admission("completions", max_pending_completions, 1000)
        self._transactions = Admission("training transactions", MAX_TRANSACTIONS, 2000)
        self._score_calls = Admission("Score calls", MAX_SCORE_CALLS, 500)
        self._pulls = Admission("pulls of weights", MAX_PULLS, 500)
        self._source = WeightSource(engine.core.policy.parameters.names, lambda: engine.call(Copy()))
        self._figures, self.calls = figures, Calls(figures)
        for name in (
            "Describe",
            "Score",
            "TrainStep",
            "SaveCheckpoint",
            "RestoreCheckpoint",
            "ListCheckpoints",
            "ExportCheckpoint",
        ):
            setattr(self, name, self.calls.unary(getattr(self, name)))
        for name in ("Generate", "PullWeights"):
            setattr(self, name, self.calls.stream(getattr(self, name)))

    def synced(self, version: int, weights_id: str) -> None:
        """Other weights of the trainer's have been taken over, or those there are have another name."""
        self._source.changed(weights_id)
        self._figures.version_is(version)

    async def Describe(self, request: proto.DescribeRequest, context: Any) -> proto.DescribeResponse:
        texts = ("", "", "") if request.brief else self._texts
        return pack.describe(
            self._engine.core, texts, self._max_examples, self._source.weights_id, self._follower is None
        )

    async def Generate(self, request: proto.GenerateRequest, context: Any) -> AsyncIterator[proto.GenerateResponse]:
        asked = unpack_generate(request, self._card)
        if not self._engine.core.model.can_generate:
            why = f"Generation for {self._card.architecture} is not written: its layers keep more than keys and values."
            raise refuse(unimplemented("GENERATION", why))
        self._require_weights()
        with self._completions.enter(len(asked.prompts) * asked.group_size):
            finished = self._engine.generate(asked.prompts, asked.group_size, asked.sampling)
            try:
                async for each in finished:
                    self._figures.sampled(each)
                    yield pack.completion(each)
            finally:
                await finished.aclose()

    async def Score(self, request: proto.ScoreRequest, context: Any) -> proto.ScoreResponse:
        asked = unpack_score(request, self._card)
        if asked.teacher:
            self._require_trainer()
        self._require_weights()
        with self._score_calls.enter():
            return pack.scores(await self._engine.call(asked), self._engine.version)

    async def TrainStep(self, requests: AsyncIterator[proto.TrainStepRequest], context: Any) -> proto.TrainStepResponse:
        self._require_trainer()
        with self._transactions.enter():
            asked = await read_transaction(requests, self._card, self._max_examples, lambda: _not_given_up(context))
            report = await self._engine.call(Train(asked.plan, asked.examples))
            self._source.changed()
        self._figures.trained(report)
        skipped = sum(step.skipped for step in report.steps)
        if skipped > 0:
            log.warning("a gradient was not finite: the weights stayed", extra={"facts": {"skipped": skipped}})
        facts = {"runId": asked.run_id, "step": asked.step, "version": report.version, "seconds": report.seconds}
        log.info("training step taken", extra={"facts": facts})
        return pack.report(report)

    async def SaveCheckpoint(self, request: proto.SaveCheckpointRequest, context: Any) -> proto.SaveCheckpointResponse:
        self._require_trainer()
        require_name(request.name)
        score = request.score if request.HasField("score") else None
        if wrong := number("score", score):
            raise InputError(wrong)
        info: CheckpointInfo = await self._engine.call(Save(request.name, score))
        log.info("checkpoint saved", extra={"facts": {"checkpoint": info.name, "version": info.version}})
        return proto.SaveCheckpointResponse(checkpoint=pack.checkpoint(info))

    async def RestoreCheckpoint(
        self, request: proto.RestoreCheckpointRequest, context: Any
    ) -> proto.RestoreCheckpointResponse:
        self._require_trainer()
        if request.name != INITIAL:
            require_name(request.name)
        info: CheckpointInfo = await self._engine.call(Restore(request.name))
        self._source.changed()
        self._figures.version_is(info.version)
        log.info("checkpoint restored", extra={"facts": {"checkpoint": info.name, "version": info.version}})
        return proto.RestoreCheckpointResponse(checkpoint=pack.checkpoint(info))

    async def ListCheckpoints(
        self, request: proto.ListCheckpointsRequest, context: Any
    ) -> proto.ListCheckpointsResponse:
        if self._follower is not None:
            return proto.ListCheckpointsResponse()
        found = await asyncio.to_thread(self._engine.core.checkpoints.list)
        return proto.ListCheckpointsResponse(checkpoints=[pack.checkpoint(each) for each in found])

    async def ExportCheckpoint(
        self, request: proto.ExportCheckpointRequest, context: Any
    ) -> proto.ExportCheckpointResponse:
        require_name(request.name)
        self._require_weights()
        path, version = await self._engine.call(Export(request.name, request.layout == proto.EXPORT_LAYOUT_PEFT))
        log.info("weights exported", extra={"facts": {"path": path, "version": version}})
        return proto.ExportCheckpointResponse(path=path, version=version)

    async def PullWeights(
        self, request: proto.PullWeightsRequest, context: Any
    ) -> AsyncIterator[proto.PullWeightsResponse]:
        self._require_weights()
        dtype = request.dtype or proto.DATA_TYPE_FLOAT32
        if dtype not in SENT_TYPES:
            raise refuse(invalid_argument([Violation("dtype", "must be float32 or bfloat16")]))
        with self._pulls.enter():
            current, base = await self._source.current(dtype), None
            if request.HasField("base_version"):
                base = self._source.base(dtype, request.base_version, request.base_checksum)
                if base is None:
                    gone = f"{request.base_version} of that checksum is not kept; ask for the whole"
                    raise refuse(failed_precondition("base_version", gone))
            for message in messages(current, base):
                yield message

    def _require_trainer(self) -> None:
        if self._follower is not None:
            where = f"send this call to the trainer at {self._follower.trainer}, whose weights this policy follows"
            raise refuse(failed_precondition("policy", f"samples only; {where}"))

    def _require_weights(self) -> None:
        if self._follower is not None:
            self._follower.require_weights()


class Server:
    """A server that answers calls until it is drained."""

    def __init__(
        self, service: PolicyService, server: grpc.aio.Server, health_service: health.aio.HealthServicer, port: int
    ) -> None:
        self._service, self._server, self._health, self.port = service, server, health_service, port
        self.is_serving, self._draining = True, False

    @staticmethod
    async def start(service: PolicyService, address: str, serving: bool = True) -> Server:
        """Starts to take calls, saying that it serves or that it does not yet, with health and reflection; raises RuntimeError when the address cannot be listened on."""
        server = grpc.aio.server(options=_options())
        policy_pb2_grpc.add_PolicyServiceServicer_to_server(service, server)
        health_service = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(health_service, server)
        reflection.enable_server_reflection((SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
        port = server.add_insecure_port(address)
        await server.start()
        # What a liveness probe asks: a room that cannot serve for now is not to be killed for it.
        await health_service.set("liveness", health_pb2.HealthCheckResponse.SERVING)
        started = Server(service, server, health_service, port)
        await started.set_serving(serving)
        return started

    async def set_serving(self, serving: bool) -> None:
        """Says whether it can serve for now; once it drains, this is without effect."""
        if self._draining:
            return
        self.is_serving = serving
        status = health_pb2.HealthCheckResponse
        for name in ("", SERVICE):
            await self._health.set(name, status.SERVING if serving else status.NOT_SERVING)

    async def drain(self, grace_s: float = 10.0) -> None:
        """Says NOT_SERVING, takes no new calls, waits for those in flight, then ends what is left with UNAVAILABLE."""
        self.is_serving, self._draining = False, True
        await self._health.enter_graceful_shutdown()
        stopped = asyncio.ensure_future(self._server.stop(grace_s + FORCE_AFTER_S))
        done, _ = await asyncio.wait([stopped], timeout=grace_s)
        if not done:
            self._service.calls.end()
        await stopped


def read_texts(folder: Path) -> tuple[str, str, str]:
    """tokenizer.json, the chat template in Jinja (empty when there is none), and tokenizer_config.json."""
    tokenizer = folder / "tokenizer.json"
    if not tokenizer.is_file():
        raise CheckpointError("missing", str(tokenizer), "does not exist")
    settings = folder / "tokenizer_config.json"
    settings_text = settings.read_text() if settings.is_file() else "{}"
    template = folder / "chat_template.jinja"
    chat_template = template.read_text() if template.is_file() else _template_of(json.loads(settings_text))
    return tokenizer.read_text(), chat_template, settings_text


def _template_of(settings: dict[str, Any]) -> str:
    """`chat_template` is one template, or a list of named ones of which `default` is taken."""
    template = settings.get("chat_template", "")
    if isinstance(template, list):
        template = next((each.get("template", "") for each in template if each.get("name") == "default"), "")
    return template if isinstance(template, str) else ""


async def _not_given_up(context: Any) -> None:
    """Waits a moment after a stream that ended without a commit, and raises if its caller turns out to have cancelled.

    A caller that cancels, or vanishes, may end its stream before it resets it, milliseconds later where it is a Node.js one.
    Where the plan commits, this tells a cancelled call from a wrong one, and nothing is trained either way; for a caller of
    before there was a commit it is the only guard.
    """
    deadline = asyncio.get_running_loop().time() + SETTLE_S
    while not context.cancelled() and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.001)
    if context.cancelled():
        raise asyncio.CancelledError


def _options() -> list[tuple[str, int]]:
    return [
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        # A caller that vanished without a word is noticed within 80 seconds, and what it held is freed.
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
        # Two rooms at one address would share its calls in silence.
        ("grpc.so_reuseport", 0),
    ]
