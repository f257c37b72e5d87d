"""The policy as a process, or as one rank of several under torchrun: rank 0 serves, all ranks work."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from datetime import UTC, datetime

import torch

from policy_torch.checkpoint import Retention
from policy_torch.config import PolicyConfig, SettingsError, read_config
from policy_torch.core import Core, CoreOptions, local_rank
from policy_torch.engine import Engine
from policy_torch.errors import CheckpointError, UnsupportedError
from policy_torch.group import Group
from policy_torch.model import ModelOptions, compute_type, device_of, quiet_libraries
from policy_torch.service import PolicyService, Server, read_texts

log = logging.getLogger("policy_torch")

_LEVELS = {"silent": 100, "fatal": 50, "error": 40, "warn": 30, "info": 20, "debug": 10, "trace": 5}


def main() -> int:
    """Exit code 0 after a drain; 1 with one sentence per problem on stderr."""
    try:
        config = read_config(os.environ)
        _log_to_stderr(config.log_level)
        return _work(config)
    except (SettingsError, CheckpointError, UnsupportedError, _ListenError) as error:
        for line in str(error).splitlines():
            print(f"policy: {line}", file=sys.stderr)
        return 1


def _work(config: PolicyConfig) -> int:
    quiet_libraries()
    torch.set_num_threads(config.threads)
    device = device_of(config.device, local_rank())
    group = Group.join(device, config.group_timeout_s)
    texts = read_texts(config.model)
    compute = compute_type(config.compute, device)
    model = ModelOptions(config.model, device, compute, config.recompute_layers, config.adapter)
    retention = Retention(config.keep_last or None, config.keep_best or None)
    slots, tokens = config.generation_slots, config.micro_batch_tokens
    core = Core(CoreOptions(model, config.checkpoints, slots, tokens, retention), group)
    facts = {"model": core.model.card.name, "parameters": core.model.card.parameter_count, "device": str(device)}
    log.info("model loaded", extra={"facts": facts | {"ranks": group.size, "compute": str(model.compute)}})
    if group.rank == 0:
        return asyncio.run(_serve(config, core, texts))
    # The launcher tells every rank to stop; rank 0 drains first and then says so.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    core.follow()
    group.leave()
    return 0


async def _serve(config: PolicyConfig, core: Core, texts: tuple[str, str, str]) -> int:
    """Serves until SIGTERM, SIGINT, or the loss of a rank; then drains. A second signal ends the process at once."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    broken = False

    def lost() -> None:
        nonlocal broken
        broken = True
        loop.call_soon_threadsafe(stop.set)

    def asked() -> None:
        if stop.is_set():
            os._exit(1)
        stop.set()

    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, asked)
    engine = Engine(core, max(1.0, config.group_timeout_s / 4), lost)
    service = PolicyService(engine, texts, config.max_examples, config.max_pending_completions)
    try:
        server = await Server.start(service, config.address)
    except RuntimeError as error:
        raise _ListenError(f"{config.address} cannot be listened on: is the port taken?") from error
    host = config.address.rpartition(":")[0]
    print(f"policy listening on {host}:{server.port}", flush=True)
    await stop.wait()
    log.info("draining")
    await server.drain(1.0 if broken else 10.0)
    await engine.close()
    if broken:
        # Collectives of a lost group may never end.
        sys.stderr.flush()
        os._exit(1)
    core.group.leave()
    return 0


class _ListenError(Exception):
    """The address cannot be listened on."""


class _JsonLines(logging.Formatter):
    """One JSON object a line, as the other rooms log."""

    def format(self, record: logging.LogRecord) -> str:
        level = {10: 20, 20: 30, 30: 40, 40: 50, 50: 60}.get(record.levelno, 30)
        line = {"level": level, "time": datetime.now(UTC).isoformat(timespec="milliseconds"), "name": "policy"}
        line |= getattr(record, "facts", {}) | {"msg": record.getMessage()}
        if record.exc_info:
            line["err"] = self.formatException(record.exc_info)
        return json.dumps(line)


def _log_to_stderr(level: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("policy_torch").setLevel(_LEVELS[level])


if __name__ == "__main__":
    sys.exit(main())
