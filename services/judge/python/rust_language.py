"""Rust programs: compiled once by rustc, run from the artefact."""

from __future__ import annotations

import os

import native
from languages import Language, Program, Refused, Toolchain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from limits import Limits

# One unit: no more threads than cores a slot has, and the same artefact every time.
FLAGS = ["--edition=2021", "-Copt-level=2", "-Ccodegen-units=1", "-Cstrip=symbols", "-Clinker=gcc", "--cap-lints=allow"]
_SAYING = ["--error-format=short", "--color=never"]
_SOURCE, _ARTEFACT = "main.rs", "main"
_ERROR = r"(?m)^(?:main\.rs:(\d+):\d+: )?error(?:\[E\d+\])?: (.*)$"


def _prepare(source: bytes, artefact: bytes, toolchain: Toolchain, folder: str) -> Program:
    artefact = artefact or _compile(source, toolchain)
    native.keep_sealed(artefact)
    return Program(_run, artefact)


def _compile(source: bytes, toolchain: Toolchain) -> bytes:
    with open(_SOURCE, "wb") as file:
        file.write(source)
    native.find_libraries(toolchain.home)
    given = [f"--sysroot={toolchain.home}", "--crate-name=main", "-o", _ARTEFACT, _SOURCE]
    status, said = native.run_tool(toolchain.path, ["rustc", *FLAGS, *_SAYING, *given])
    if status != 0:
        raise _refusal(status, said)
    with open(_ARTEFACT, "rb") as file:
        return file.read()


def _refusal(status: int, said: str) -> Refused:
    import re

    if (error := re.search(_ERROR, said)) is not None:
        return Refused("", f"error: {error[2]}", [int(error[1])] if error[1] else [])
    return Refused("", native.word_end("rustc", status), [])


def _run(kind: str, folder: str, limits: Limits, arguments: list[str]) -> NoReturn:
    native.become_kept(os.path.join(folder, _ARTEFACT), arguments)


RUST = Language(
    _prepare,
    # rustc links with the machine's C compiler.
    folders=("/usr/bin", "/usr/lib", "/usr/libexec"),
    shows="home",
    compiled=True,
)
