"""Policies as processes, for tests: this room, and the embedded one where it is built."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from backsight.policy.v1 import policy_pb2 as proto
from backsight.policy.v1 import policy_pb2_grpc
from google.rpc import error_details_pb2 as details
from grpc_status import rpc_status

REPOSITORY = Path(__file__).parents[3]
TINY = REPOSITORY / "models" / "tiny" / "weights"
EMBEDDED = REPOSITORY / "services" / "policy" / "dist" / "main.js"
TORCH = [sys.executable, "-m", "policy_torch"]
TWO_RANKS = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "policy_torch"]

needs_embedded = pytest.mark.skipif(not EMBEDDED.exists(), reason="the embedded policy is not built: run npm run build")


class Room:
    """A running policy and a client of it."""

    def __init__(self, command: list[str], folder: Path, **settings: str) -> None:
        self.folder = folder
        environment = os.environ | {
            "BACKSIGHT_MODEL": str(TINY),
            "BACKSIGHT_CHECKPOINTS": str(folder / "checkpoints"),
            "BACKSIGHT_POLICY_ADDRESS": "127.0.0.1:0",
            "BACKSIGHT_POLICY_LOG_LEVEL": "warn",
            "BACKSIGHT_THREADS": "1",
            "BACKSIGHT_DEVICE": "cpu",
            "OMP_NUM_THREADS": "1",
        }
        self.process = subprocess.Popen(
            command, env=environment | settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.said: list[str] = []
        self.printed: list[str] = []
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self.address = self._address()
        limits = [("grpc.max_receive_message_length", 64 * 2**20), ("grpc.max_send_message_length", 64 * 2**20)]
        self.channel = grpc.insecure_channel(self.address, options=limits)
        self.stub = policy_pb2_grpc.PolicyServiceStub(self.channel)

    def __enter__(self) -> Room:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.channel.close()
        if self.process.poll() is None:
            # Ranks outlive a launcher that is killed: they are ended first.
            for pid in self.ranks():
                os.kill(pid, signal.SIGKILL)
            self.process.kill()
            self.process.wait()
        if kind is not None:
            print("".join(self.said))

    def stop(self) -> int:
        """Exit code after SIGTERM."""
        self.channel.close()
        self.process.terminate()
        return self.process.wait(timeout=60)

    def _address(self) -> str:
        for line in self.process.stdout or []:
            if line.startswith("policy listening on "):
                threading.Thread(target=self._read, daemon=True).start()
                return line.removeprefix("policy listening on ").strip()
        self.process.wait()
        self._listener.join()
        raise AssertionError(f"The room ended with {self.process.returncode}:\n{''.join(self.said)}")

    def ranks(self) -> list[int]:
        """Process ids of the ranks: the launcher's children, in the order in which it started them."""
        listing = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True)
        return sorted(int(pid) for pid in listing.stdout.split())

    def rank(self, index: int) -> int:
        return self.ranks()[index]

    def ended(self, timeout: float) -> tuple[int, str]:
        """Exit code and what was said on stderr, of a room that ends by itself."""
        code = self.process.wait(timeout=timeout)
        self._listener.join(timeout=10)
        return code, "".join(self.said)

    def _read(self) -> None:
        self.printed.extend(self.process.stdout or [])

    def _listen(self) -> None:
        self.said.extend(self.process.stderr or [])


PROMPTS = [[1, 20, 33, 41, 9], [1, 18, 77], [1, *range(30, 50)]]


def generate(room: Room, group_size: int = 4, seed: int = 42, **sampling: Any) -> list[proto.Completion]:
    """All completions, in the order of prompts and samples."""
    request = proto.GenerateRequest(
        prompts=[proto.Prompt(token_ids=ids) for ids in PROMPTS],
        group_size=group_size,
        sampling=proto.Sampling(**{"temperature": 1.0, "max_tokens": 12, "seed": seed} | sampling),
    )
    completions = [answer.completion for answer in room.stub.Generate(request, timeout=120)]
    return sorted(completions, key=lambda each: (each.prompt_index, each.sample_index))


def score(room: Room, completions: list[proto.Completion], **settings: Any) -> proto.ScoreResponse:
    items = [
        proto.ScoreItem(prompt_ids=PROMPTS[each.prompt_index], completion_ids=each.token_ids) for each in completions
    ]
    return room.stub.Score(proto.ScoreRequest(items=items, **settings), timeout=120)


def distillation(**changes: Any) -> proto.Distillation:
    settings: dict[str, Any] = {"weight": 1.0, "alpha": 0.5, "importance_cap": 2.0}
    settings["support"] = proto.Support(kind=proto.SUPPORT_KIND_TOP_K_TAIL, k=20)
    return proto.Distillation(**settings | changes)


def plan(expected_version: int = 0, **changes: Any) -> proto.TrainPlan:
    settings: dict[str, Any] = {
        "objective": proto.Objective(distillation=distillation()),
        "teacher": proto.Teacher(kind=proto.TEACHER_KIND_EMA, rate=0.05),
        "optimizer": proto.Optimizer(learning_rate=1e-3, max_gradient_norm=1.0),
        "mini_batches": 2,
        "shuffle_seed": 3,
    }
    return proto.TrainPlan(**settings | {"expected_version": expected_version} | changes)


def examples(completions: list[proto.Completion]) -> list[proto.Example]:
    """Every other completion is taught; advantages alternate."""
    return [
        proto.Example(
            student_prompt_ids=PROMPTS[each.prompt_index],
            teacher_prompt_ids=[1, 60 + index, 61, *PROMPTS[each.prompt_index]] if index % 3 else [],
            completion_ids=each.token_ids,
            completion_logprobs=each.logprobs,
            policy_version=each.policy_version,
            advantage=(-1) ** index * 0.75,
            rollout_id=f"r{index}",
        )
        for index, each in enumerate(completions)
    ]


def messages(train_plan: proto.TrainPlan, given: list[proto.Example]) -> Iterator[proto.TrainStepRequest]:
    yield proto.TrainStepRequest(plan=train_plan)
    for example in given:
        yield proto.TrainStepRequest(example=example)


def train(room: Room, train_plan: proto.TrainPlan, completions: list[proto.Completion]) -> proto.TrainStepResponse:
    return room.stub.TrainStep(messages(train_plan, examples(completions)), timeout=300)


class Refusal:
    """What a caller reads of a failed call."""

    def __init__(self, error: grpc.RpcError) -> None:
        status = rpc_status.from_call(error)
        self.code = error.code()
        self.message = error.details()
        self.details = {each.TypeName().rsplit(".", 1)[-1]: each for each in (status.details if status else [])}

    def read(self, kind: str) -> Any:
        message = getattr(details, kind)()
        self.details[kind].Unpack(message)
        return message

    def violations(self) -> list[str]:
        return [f"{each.field}: {each.description}" for each in self.read("BadRequest").field_violations]


def refusal(call: Any, *arguments: Any) -> Refusal:
    """The failure of a call, which must fail."""
    try:
        result = call(*arguments)
        for _ in result if hasattr(result, "__next__") else []:
            pass
    except grpc.RpcError as error:
        return Refusal(error)
    raise AssertionError("The call succeeded.")
