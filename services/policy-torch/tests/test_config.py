"""Settings: read whole, or every problem named."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from policy_torch.adapter import FreshAdapter, StoredAdapter
from policy_torch.config import FollowSettings, PolicyConfig, SettingsError, read_config, usage, with_flags


def config(**variables: str) -> PolicyConfig:
    return read_config({"BACKSIGHT_MODEL": "model"} | {f"BACKSIGHT_{name}": value for name, value in variables.items()})


def test_an_adapter_is_none_new_or_stored() -> None:
    assert config().adapter is None
    assert config(ADAPTER_RANK="8").adapter == FreshAdapter(8, 16.0)
    named = config(ADAPTER_RANK="4", ADAPTER_ALPHA="2.5", ADAPTER_TARGETS=" q_proj, v_proj", ADAPTER_SEED="7")
    assert named.adapter == FreshAdapter(4, 2.5, ("q_proj", "v_proj"), 7)
    assert config(ADAPTER="/an/adapter").adapter == StoredAdapter(Path("/an/adapter"))


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({"ADAPTER_ALPHA": "2"}, "BACKSIGHT_ADAPTER_ALPHA needs BACKSIGHT_ADAPTER_RANK"),
        ({"ADAPTER_TARGETS": "q_proj"}, "BACKSIGHT_ADAPTER_TARGETS needs BACKSIGHT_ADAPTER_RANK"),
        (
            {"ADAPTER": "/an/adapter", "ADAPTER_RANK": "2"},
            "BACKSIGHT_ADAPTER has a rank, an alpha and targets of its own: leave the settings for a new one out",
        ),
        ({"ADAPTER_RANK": "0"}, 'BACKSIGHT_ADAPTER_RANK must be a whole number in [1, 4096], not "0"'),
        (
            {"ADAPTER_RANK": "2", "ADAPTER_ALPHA": "nan"},
            'BACKSIGHT_ADAPTER_ALPHA must be a number in [0.000001, 1000000], not "nan"',
        ),
        (
            {"POLICY_FOLLOW": "trainer:7101", "ADAPTER_RANK": "2"},
            "a policy that follows takes whole weights: BACKSIGHT_POLICY_FOLLOW excludes an adapter",
        ),
        (
            {"POLICY_FOLLOW_TYPE": "float16"},
            'BACKSIGHT_POLICY_FOLLOW_TYPE must be one of float32, bfloat16, not "float16"',
        ),
        (
            {"STOP_CHECKPOINT": "../x"},
            'BACKSIGHT_STOP_CHECKPOINT must be the name of a checkpoint, or "none", not "../x"',
        ),
        (
            {"POLICY_METRICS_ADDRESS": "7"},
            'BACKSIGHT_POLICY_METRICS_ADDRESS must be an address host:port, for example 127.0.0.1:7101, not "7"',
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_wrong_is_said(variables: dict[str, str], problem: str) -> None:
    with pytest.raises(SettingsError) as raised:
        config(**variables)
    assert str(raised.value) == problem


def test_a_drain_saves_under_a_name_or_not_at_all() -> None:
    assert config().stop_checkpoint == "stopped"
    assert config(STOP_CHECKPOINT="at-the-end").stop_checkpoint == "at-the-end"
    assert config(STOP_CHECKPOINT="none").stop_checkpoint is None


def test_a_flag_stands_for_a_setting_and_is_heard_first() -> None:
    environment = {"BACKSIGHT_MODEL": "model", "BACKSIGHT_POLICY_FOLLOW": "127.0.0.1:1"}
    assert read_config(environment).follow == FollowSettings("127.0.0.1:1", 0.5, 30.0, "float32")
    for arguments in (["--follow", "trainer:7101"], ["--follow=trainer:7101"]):
        follow = read_config(with_flags(environment, arguments)).follow
        assert follow == FollowSettings("trainer:7101", 0.5, 30.0, "float32")
    assert config().follow is None


def test_help_names_every_variable_that_is_read() -> None:
    source = inspect.getsource(sys.modules["policy_torch.config"])
    named = set(re.findall(r'"(BACKSIGHT_[A-Z_]+)"', source))
    assert set(re.findall(r"^  (BACKSIGHT_[A-Z_]+)$", usage(), re.MULTILINE)) == named
    assert "\n  BACKSIGHT_DEVICE\n      one of auto, cpu, cuda; default auto\n" in usage()


@pytest.mark.parametrize(
    ("argument", "code", "said", "complained"),
    [
        ("--help", 0, usage(), ""),
        ("--nothing=7", 1, "", "policy: --nothing is no flag of this room; --follow=... and --help are\n"),
        ("--follow", 1, "", "policy: --follow takes a value: --follow=...\n"),
    ],
)
def test_the_command_line_offers_help_and_following(argument: str, code: int, said: str, complained: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "policy_torch", argument], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (code, said, complained)
