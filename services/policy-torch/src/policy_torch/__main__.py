"""The policy as a process, or as one rank of several under torchrun: rank 0 serves, all ranks work."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
import time

import torch

from policy_torch.checkpoint import CheckpointInfo, Retention
from policy_torch.config import PolicyConfig, SettingsError, read_config, usage, with_flags
from policy_torch.core import Core, CoreOptions, Save, local_rank
from policy_torch.engine import Engine
from policy_torch.errors import CheckpointError, UnsupportedError
from policy_torch.exposition import Figures, MetricsServer
from policy_torch.follow import Follower, FollowState
from policy_torch.group import Group
from policy_torch.logs import log_to_stderr
from policy_torch.model import ModelOptions, compute_type, device_of, quiet_libraries
from policy_torch.service import PolicyService, Server, read_texts

log = logging.getLogger("policy_torch")


def main() -> int:
    """Exit code 0 after a drain; 1 with one sentence per problem on stderr."""
    arguments = sys.argv[1:]
    if {"-h", "--help"} & set(arguments):
        print(usage(), end="")
        return 0
    try:
        config = read_config(with_flags(os.environ, arguments))
        log_to_stderr(config.log_level)
        return _work(config)
    except (SettingsError, CheckpointError, UnsupportedError, _ListenError) as error:
        for line in str(error).splitlines():
            _say(line)
        return 1


def _work(config: PolicyConfig) -> int:
    launcher = os.getppid()
    quiet_libraries()
    torch.set_num_threads(config.threads)
    try:
        device = device_of(config.device, local_rank())
    except ValueError as error:
        raise SettingsError(f"BACKSIGHT_DEVICE is {config.device}: {error}") from error
    try:
        group = Group.join(device, config.group_timeout_s)
    except (ValueError, RuntimeError) as error:
        told = f"the ranks cannot find each other, of which WORLD_SIZE says there are {os.environ.get('WORLD_SIZE')}"
        raise SettingsError(f"{told}; start them by python -m torch.distributed.run: {_first_line(error)}") from error
    texts = read_texts(config.model)
    compute = compute_type(config.compute, device)
    model = ModelOptions(config.model, device, compute, config.recompute_layers, config.adapter)
    retention = Retention(config.keep_last or None, config.keep_best or None)
    slots, tokens = config.generation_slots, config.micro_batch_tokens
    core = Core(CoreOptions(model, config.checkpoints, slots, tokens, retention, config.follow is not None), group)
    facts = {"model": core.model.card.name, "parameters": core.model.card.parameter_count, "device": str(device)}
    log.info("model loaded", extra={"facts": facts | {"ranks": group.size, "compute": str(model.compute)}})
    if group.rank == 0:
        if group.size > 1:
            threading.Thread(target=_stop_without, args=(launcher,), daemon=True).start()
        return asyncio.run(_serve(config, core, texts))
    # The launcher tells every rank to stop; rank 0 drains first and then says so.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        core.follow()
    except Exception as error:
        _end_broken(f"rank {group.rank} has lost the others: {_first_line(error)}")
    group.leave()
    return 0


async def _serve(config: PolicyConfig, core: Core, texts: tuple[str, str, str]) -> int:
    """Serves until SIGTERM, SIGINT, or the loss of a rank; then drains and saves. A second signal ends the process at once."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    broken: list[BaseException] = []
    told = 0

    def lost(error: BaseException) -> None:
        broken.append(error)
        loop.call_soon_threadsafe(stop.set)

    def asked() -> None:
        nonlocal told
        told += 1
        if told == 2:  # a loss has no part in it: a launcher that sees it too says stop before it is told of
            os._exit(1)
        stop.set()

    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, asked)
    engine = Engine(core, max(1.0, config.group_timeout_s / 4), lost)
    figures = Figures(engine.version)
    follower = None if config.follow is None else Follower(engine, config.follow)
    service = PolicyService(engine, texts, config.max_examples, config.max_pending_completions, figures, follower)
    try:
        server = await Server.start(service, config.address, serving=follower is None)
    except RuntimeError as error:
        raise _ListenError(f"{config.address} cannot be listened on: is the port taken?") from error
    metrics = _serve_metrics(config, server, figures)

    async def state_is(state: FollowState) -> None:
        await server.set_serving(state.kind == "fresh")
        figures.stale_is(state.kind == "stale")

    if follower is not None:
        follower.start(service.synced, state_is)
    host = config.address.rpartition(":")[0]
    print(f"policy listening on {host}:{server.port}", flush=True)
    await stop.wait()
    log.info("draining")
    await server.drain(1.0 if broken else 10.0)
    if follower is not None:
        await follower.close()
    unsaved = None if broken else await _save(config, core, engine)
    await engine.close()
    if metrics is not None:
        metrics.close()
    if broken:
        _end_broken(f"a rank of the group is lost, start the policy again: {_first_line(broken[0])}")
    core.group.leave()
    return 0 if unsaved is None else 1


def _stop_without(launcher: int) -> None:
    """Asks this process to stop once its launcher is gone: torchrun that is killed cannot tell its ranks."""
    while os.getppid() == launcher:
        time.sleep(1)
    log.warning("the launcher is gone")
    os.kill(os.getpid(), signal.SIGTERM)


async def _save(config: PolicyConfig, core: Core, engine: Engine) -> Exception | None:
    """Saves steps that no checkpoint has yet; returns what went wrong, if anything did."""
    name = config.stop_checkpoint
    if name is None or not core.policy.unsaved:
        return None
    try:
        saved: CheckpointInfo = await engine.call(Save(name, retain=False))
    except Exception as error:
        _say(f"version {engine.version} could not be saved: {error}")
        return error
    print(f'policy saved version {saved.version} as checkpoint "{name}" in {config.checkpoints}', flush=True)
    return None


def _serve_metrics(config: PolicyConfig, server: Server, figures: Figures) -> MetricsServer | None:
    if config.metrics_address is None:
        return None
    try:
        return MetricsServer(config.metrics_address, figures, lambda: server.is_serving)
    except OSError as error:
        raise _ListenError(f"{config.metrics_address} cannot be listened on: {error.strerror}") from error


def _end_broken(why: str) -> None:
    """Ends the process: collectives of a lost group may never end, nor what waits for them."""
    _say(why)
    sys.stderr.flush()
    os._exit(1)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _say(sentence: str) -> None:
    print(f"policy: {sentence}", file=sys.stderr)


class _ListenError(Exception):
    """The address cannot be listened on."""


if __name__ == "__main__":
    sys.exit(main())
