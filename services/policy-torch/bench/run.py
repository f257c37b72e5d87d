"""`npm run bench:torch`: tokens per second, memory and utilisation of this engine, and TRL's SDPOTrainer beside it.

Both trainers get the same model, prompts, lengths and batch, one after the other, each in a process and an environment of its
own; the first step of each is not timed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

BENCH = Path(__file__).resolve().parent
ROOM = BENCH.parent
PYTHON = ROOM / ".venv" / "bin" / "python"
TRL = BENCH / ".venv"


def main() -> int:
    options = parse()
    if not (ROOM / ".venv" / "made-from").exists():
        print("The Python environment is not there: run `npm run torch:setup` first.", file=sys.stderr)
        return 2
    if options.trl and not (TRL / "installed").exists():
        install_trl()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "workload.json").write_text(json.dumps(workload(options, folder)))
        results = [measure(PYTHON, "ours.py", folder)]
        if options.trl:
            results.append(measure(TRL / "bin" / "python", "trl_step.py", folder))
    if options.json:
        print(json.dumps(results))
    else:
        print(table(options, results))
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a model folder (default: random weights of --size)")
    sizes = ["20m", "135m", "0.6b", "1.7b"]
    parser.add_argument("--size", default="20m", choices=sizes, help="random weights with a Qwen3's proportions")
    parser.add_argument("--prompts", type=at_least(1), default=4)
    # Every other completion is right, and a right one learns from another.
    parser.add_argument("--group-size", type=at_least(4), default=8, help="completions of each prompt, 4 or more")
    parser.add_argument("--prompt-tokens", type=at_least(1), default=64)
    parser.add_argument("--completion-tokens", type=at_least(1), default=64)
    parser.add_argument("--steps", type=at_least(1), default=3, help="steps that are timed; their median is told")
    parser.add_argument("--threads", type=at_least(1), default=2)
    parser.add_argument("--micro-batch-tokens", type=at_least(8), default=4096)
    parser.add_argument("--device", choices=["cpu", "cuda"], help="default: cuda where there is one")
    parser.add_argument("--trl", action="store_true", help="TRL's SDPOTrainer too; installs it at the first time")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    return parser.parse_args()


def at_least(least: int) -> Callable[[str], int]:
    """Reads a whole number that is not less."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"must be a whole number of at least {least}, is {text}")
        return int(text)

    return read


def workload(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The workload as both programs read it; a random model is written where none is given."""
    model = options.model
    if model is not None and not (Path(model) / "config.json").is_file():
        raise SystemExit(f"--model: {Path(model) / 'config.json'} does not exist.")
    probe = "import torch; print('cuda' if torch.cuda.is_available() else 'cpu')"
    best = subprocess.check_output([PYTHON, "-c", probe], text=True).strip()
    device = options.device or best
    if device == "cuda" and best != "cuda":
        raise SystemExit("--device cuda: PyTorch sees no GPU here.")
    if model is None:
        make = "import sys; from pathlib import Path; from workload import make_random_model as make; make(Path(sys.argv[1]), sys.argv[2])"
        run(PYTHON, "-c", make, folder, options.size)
        model = str(folder / f"random-qwen3-{options.size}")
    return {
        "model": str(Path(model).resolve()),
        "prompts": options.prompts,
        "group_size": options.group_size,
        "prompt_tokens": options.prompt_tokens,
        "completion_tokens": options.completion_tokens,
        "steps": options.steps,
        "device": device,
        "threads": options.threads,
        "micro_batch_tokens": options.micro_batch_tokens,
    }


def measure(python: Path, program: str, folder: Path) -> dict[str, Any]:
    command = [python, BENCH / program, folder / "workload.json", folder / "scratch"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{program} ended with {done.returncode}.")
    return json.loads(done.stdout.strip().splitlines()[-1])


def install_trl() -> None:
    """The same packages as this room's, and TRL's, in an environment of their own."""
    build = (ROOM / ".venv" / "build").read_text().strip()
    run(sys.executable, "-m", "venv", "--clear", TRL)
    for lock in (f"torch-{build}", "base", "trl"):
        pip = [TRL / "bin" / "python", "-m", "pip", "--quiet", "install", "--no-deps", "-r"]
        run(*pip, ROOM / "requirements" / f"{lock}.lock")
    (TRL / "installed").touch()


def run(*command: str | Path) -> None:
    status = subprocess.run(command, cwd=BENCH).returncode
    if status != 0:
        raise SystemExit(f"{' '.join(map(str, command))} failed with exit code {status}.")


def table(options: argparse.Namespace, results: list[dict[str, Any]]) -> str:
    ours, *others = results
    model = options.model or f"random Qwen3 of {ours['parameters'] / 1e6:.0f}M weights"
    lines = [
        f"{model} on {ours['device']}, {options.threads} threads: {options.prompts} prompts x {options.group_size} completions, "
        f"{options.prompt_tokens} + {options.completion_tokens} tokens; median of {options.steps} steps",
        "",
        "| | generate s | train s | step s | of it processor s | peak memory MB |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        *(
            f"| {each['engine']} | {each['seconds']['generate']:.2f} | {each['seconds']['train']:.2f} "
            f"| {each['seconds']['step']:.2f} | {each['cpu_seconds']['step']:.2f} | {each['peak_memory_bytes'] / 1e6:.0f} |"
            for each in results
        ),
        "",
        f"generate {ours['generate_tokens_per_s']:.0f} tokens/s, score {ours['score_tokens_per_s']:.0f}, "
        f"train {ours['train_tokens_per_s']:.0f}; utilisation of {ours['peak_flops'] / 1e12:.2f} TFLOP/s "
        f"({ours['peak_source']}): score {100 * ours['score_utilisation']:.0f} %, train {100 * ours['train_utilisation']:.0f} %",
    ]
    for other in others:
        wall, cpu = (other[kind]["step"] / ours[kind]["step"] for kind in ("seconds", "cpu_seconds"))
        lines.append(f"{other['engine']} takes {wall:.2f} times as long per step, {cpu:.2f} times in processor seconds")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
