"""C++ programs: compiled once by g++, run from the artefact."""

from __future__ import annotations

import os

import native
from languages import Language, Program, Refused, Toolchain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from limits import Limits

FLAGS = ["-O2", "-std=c++20", "-pipe", "-fdiagnostics-color=never", "-fmax-errors=1", "-fno-diagnostics-show-caret"]
_SOURCE, _ARTEFACT = "main.cpp", "main"
_ERROR = r"(?m)^main\.cpp:(\d+):(?:\d+:)? (?:fatal )?error: (.*)$"
_LINKER = r"(?m)^.*?: (undefined reference to .*|multiple definition of .*?);?$"


def _prepare(source: bytes, artefact: bytes, toolchain: Toolchain, folder: str) -> Program:
    artefact = artefact or _compile(source, toolchain.path)
    native.keep_sealed(artefact)
    return Program(_run, artefact)


def _compile(source: bytes, compiler: str) -> bytes:
    with open(_SOURCE, "wb") as file:
        file.write(source)
    status, said = native.run_tool(compiler, [compiler, *FLAGS, "-o", _ARTEFACT, _SOURCE])
    if status != 0:
        raise _refusal(status, said)
    with open(_ARTEFACT, "rb") as file:
        return file.read()


def _refusal(status: int, said: str) -> Refused:
    import re  # here, since only an interpreter that has to say it needs it

    if (error := re.search(_ERROR, said)) is not None:
        return Refused("", f"error: {error[2]}", [int(error[1])])
    if (error := re.search(_LINKER, said)) is not None:
        return Refused("", error[1], [])
    return Refused("", native.word_end("g++", status), [])


def _run(kind: str, folder: str, limits: Limits, arguments: list[str]) -> NoReturn:
    native.become_kept(os.path.join(folder, _ARTEFACT), arguments)


CPP = Language(
    _prepare,
    folders=("/usr/bin", "/usr/lib", "/usr/libexec", "/usr/include"),
    compiled=True,
)
