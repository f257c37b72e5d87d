"""Makes the virtual environment of this room and the stubs of the contract; `npm run torch:setup` runs it.

Only the standard library is used here. pip takes packages from whatever index it is configured with.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOM = Path(__file__).resolve().parent
ENVIRONMENT = ROOM / ".venv"
PYTHON = ENVIRONMENT / "bin" / "python"
STUBS = ROOM / "gen"
PROTOS = ROOM.parents[1] / "protos"
#: What the environment was made from; the same again is left as it is.
STAMP = ENVIRONMENT / "made-from"


def main() -> int:
    options = parse()
    build = options.torch or ("gpu" if shutil.which("nvidia-smi") else "cpu")
    locks = [ROOM / "requirements" / f"{name}.lock" for name in (f"torch-{build}", "base", "dev")]
    wanted = digest(build, *locks)
    if options.force or not STAMP.exists() or STAMP.read_text() != wanted:
        make_environment(build, locks)
        (ENVIRONMENT / "build").write_text(build)
        STAMP.write_text(wanted)
    make_stubs()
    print(f"{ENVIRONMENT.relative_to(ROOM.parents[1])} is ready: PyTorch for {build}.")
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--torch", choices=["cpu", "gpu"], help="the build (default: gpu where nvidia-smi is, else cpu)"
    )
    parser.add_argument("--force", action="store_true", help="make the environment anew")
    return parser.parse_args()


def make_environment(build: str, locks: list[Path]) -> None:
    if sys.version_info < (3, 11):  # noqa: UP036 - the interpreter that runs this may be any
        raise SystemExit(f"Python 3.11 or newer is needed, {sys.executable} is {sys.version.split()[0]}.")
    run(sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT))
    torch, *others = locks
    if build == "cpu" and try_run(*pip("install", "--no-deps", f"{pinned_torch(torch)}+cpu")):
        print("The index offers the CPU build of PyTorch.")
    else:
        run(*pip("install", "--no-deps", "-r", str(torch)))
    # Everything is pinned, and pip would complain of the CUDA packages that the CPU build leaves out.
    run(*pip("install", "--no-deps", *(word for lock in others for word in ("-r", str(lock)))))
    packages = subprocess.check_output(
        [PYTHON, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
    ).strip()
    Path(packages, "policy_torch.pth").write_text(f"{ROOM / 'src'}\n{STUBS}\n")
    run(str(PYTHON), "-c", "import torch; print('torch', torch.__version__, 'cuda', torch.cuda.is_available())")


def make_stubs() -> None:
    """Generates Python from protos/ where a proto is newer than what is there."""
    protos = sorted((PROTOS / "backsight").glob("policy/v1/*.proto"))
    stamp = STUBS / "made-from"
    wanted = digest("", *protos)
    if stamp.exists() and stamp.read_text() == wanted:
        return
    shutil.rmtree(STUBS, ignore_errors=True)
    STUBS.mkdir()
    outputs = [f"--{kind}_out={STUBS}" for kind in ("python", "pyi", "grpc_python")]
    run(str(PYTHON), "-m", "grpc_tools.protoc", f"-I{PROTOS}", *outputs, *map(str, protos))
    stamp.write_text(wanted)


def pinned_torch(lock: Path) -> str:
    return next(line for line in lock.read_text().splitlines() if line.startswith("torch=="))


def digest(word: str, *files: Path) -> str:
    content = word.encode() + b"".join(file.read_bytes() for file in files)
    return hashlib.sha256(content).hexdigest()


def pip(*arguments: str) -> list[str]:
    return [str(PYTHON), "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]


def run(*command: str) -> None:
    status = subprocess.run(command).returncode
    if status != 0:
        raise SystemExit(f"{' '.join(command)} failed with exit code {status}.")


def try_run(*command: str) -> bool:
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
