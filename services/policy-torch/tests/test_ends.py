"""How a room ends: told to stop it drains and saves; without one of its ranks it says so and is gone."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from backsight.policy.v1 import policy_pb2 as proto

from policy_torch.checkpoint import Checkpoints
from room import TORCH, TWO_RANKS, Room, examples, generate, messages, plan, refusal, score, train
from test_train import PLAN, new_policy, run

WATCHED = {"BACKSIGHT_GROUP_TIMEOUT_SECONDS": "6"}
LONG = proto.GenerateRequest(
    prompts=[proto.Prompt(token_ids=[1, 5])],
    group_size=64,
    sampling=proto.Sampling(temperature=3, max_tokens=250, seed=1),
)


def test_sigterm_saves_the_steps_that_no_checkpoint_has(tmp_path: Path) -> None:
    """Two ranks are stopped; one rank goes on from what they saved."""
    adapter = {"BACKSIGHT_ADAPTER_RANK": "2"}
    with Room(TWO_RANKS, tmp_path, BACKSIGHT_CHECKPOINTS_KEEP_LAST="1", **adapter) as room:
        completions = generate(room)
        train(room, plan(0), completions)
        room.stub.SaveCheckpoint(proto.SaveCheckpointRequest(name="step-2"))
        train(room, plan(2), completions)
        student = score(room, completions).scores
        teacher = score(room, completions, weights=proto.WEIGHT_SET_TEACHER).scores
        assert room.stop() == 1  # torchrun ends so whenever it is told to stop
        assert f'policy saved version 4 as checkpoint "stopped" in {tmp_path / "checkpoints"}\n' in room.printed
    with Room(TORCH, tmp_path, **adapter) as room:
        # The retention of runs is not touched by it.
        listed = room.stub.ListCheckpoints(proto.ListCheckpointsRequest()).checkpoints
        assert sorted(each.name for each in listed) == ["initial", "step-2", "stopped"]
        room.stub.RestoreCheckpoint(proto.RestoreCheckpointRequest(name="stopped"))
        for weights, before in ((proto.WEIGHT_SET_STUDENT, student), (proto.WEIGHT_SET_TEACHER, teacher)):
            for mine, theirs in zip(score(room, completions, weights=weights).scores, before, strict=True):
                assert mine.logprobs == pytest.approx(theirs.logprobs, abs=1e-4)
        assert train(room, plan(4), completions).version == 6
        # A save that fails is said.
        (tmp_path / "checkpoints").rename(tmp_path / "elsewhere")
        (tmp_path / "checkpoints").write_text("in the way")
        room.process.terminate()
        code, said = room.ended(30)
        assert code == 1
        assert "policy: version 6 could not be saved: " in said


def test_what_was_saved_or_restored_last_is_not_saved_again(tmp_path: Path) -> None:
    policy = new_policy()
    checkpoints = Checkpoints(tmp_path, policy)
    assert not policy.unsaved
    run(policy)
    assert policy.unsaved
    checkpoints.save("a", retain=False)
    assert not policy.unsaved
    run(policy, replace(PLAN, expected_version=3))
    assert policy.unsaved
    checkpoints.restore("a")
    assert not policy.unsaved


def test_a_sweep_leaves_the_data_of_a_manifest_that_cannot_be_read(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, new_policy())
    for name in ("whole", "damaged", "later"):
        checkpoints.save(name, retain=False)
    texts = {file: file.read_text() for file in tmp_path.glob("*.json")}
    for file, text in texts.items():
        changed = {"damaged": text[1:], "later": text.replace('"formatVersion": 1', '"formatVersion": 2')}
        file.write_text(changed.get(file.stem, text))
    (tmp_path / "whole@0123456789ab").mkdir()
    checkpoints.sweep()
    assert not (tmp_path / "whole@0123456789ab").exists()
    for file, text in texts.items():
        file.write_text(text)
        checkpoints.restore(file.stem)


def test_a_rank_that_dies_while_sampling_ends_the_group(tmp_path: Path) -> None:
    with Room(TWO_RANKS, tmp_path, **WATCHED) as room:
        call = room.stub.Generate(LONG, timeout=60)
        next(iter(call))
        os.kill(room.rank(1), signal.SIGKILL)
        failed = refusal(lambda: call)
        assert failed.code == grpc.StatusCode.UNAVAILABLE, failed.message
        code, said = room.ended(30)
        assert code != 0
        assert "policy: a rank of the group is lost, start the policy again: " in said


@pytest.mark.parametrize("dies", [0, 1])
def test_a_rank_that_dies_while_training_ends_the_group(tmp_path: Path, dies: int) -> None:
    with Room(TWO_RANKS, tmp_path) as room:
        completions = generate(room, group_size=32, max_tokens=100)
        begun = time.monotonic()
        call = room.stub.TrainStep.future(messages(plan(0, mini_batches=96), examples(completions)), timeout=60)
        while not call.done() and time.monotonic() - begun < 0.5:
            time.sleep(0.01)
        assert not call.done()
        os.kill(room.rank(dies), signal.SIGKILL)
        failed = refusal(call.result)
        assert failed.code == grpc.StatusCode.UNAVAILABLE, failed.message
        code, said = room.ended(30)
        assert code != 0
        lost = "a rank of the group is lost, start the policy again: " if dies == 1 else "rank 1 has lost the others: "
        assert f"policy: {lost}" in said


def test_sigterm_lets_a_transaction_end_and_saves_it(tmp_path: Path) -> None:
    with Room(TORCH, tmp_path) as room:
        completions = generate(room, group_size=16, max_tokens=100)
        call = room.stub.TrainStep.future(messages(plan(0, mini_batches=24), examples(completions)), timeout=60)
        time.sleep(0.1)
        assert not call.done()
        room.process.terminate()
        assert call.result().version == 24
        assert room.process.wait(timeout=30) == 0
    assert (tmp_path / "checkpoints" / "stopped.json").is_file()


def test_a_rank_that_dies_between_calls_ends_the_group(tmp_path: Path) -> None:
    with Room(TWO_RANKS, tmp_path, **WATCHED) as room:
        train(room, plan(0), generate(room))
        os.kill(room.rank(1), signal.SIGKILL)
        code, said = room.ended(30)
        assert code != 0
        # The launcher stops the other rank as soon as it sees the death, which may be before that rank does.
        assert "start the policy again" in said or "could not be saved" in said
        assert refusal(room.stub.Describe, proto.DescribeRequest()).code == grpc.StatusCode.UNAVAILABLE


def test_ranks_whose_launcher_is_killed_save_and_end(tmp_path: Path) -> None:
    with Room(TWO_RANKS, tmp_path) as room:
        train(room, plan(0), generate(room))
        ranks = [room.rank(0), room.rank(1)]
        room.process.kill()
        begin = time.monotonic()
        while any(alive(rank) for rank in ranks):
            assert time.monotonic() - begin < 30
            time.sleep(0.1)
        assert (tmp_path / "checkpoints" / "stopped.json").is_file()


def test_a_rank_that_hangs_ends_the_group_within_the_timeout(tmp_path: Path) -> None:
    with Room(TWO_RANKS, tmp_path, **WATCHED) as room:
        completions = generate(room)
        serving, hanging = room.rank(0), room.rank(1)
        os.kill(hanging, signal.SIGSTOP)
        begin = time.monotonic()
        failed = refusal(train, room, plan(0), completions)
        assert failed.code == grpc.StatusCode.UNAVAILABLE, failed.message
        assert "must be started again" in failed.message
        while alive(serving):
            assert time.monotonic() - begin < 20
            time.sleep(0.1)
        # The launcher gives a rank that does not listen 30 seconds; here it is spared them.
        os.kill(hanging, signal.SIGKILL)
        code, said = room.ended(20)
        assert code != 0
        assert "policy: a rank of the group is lost, start the policy again: " in said


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
