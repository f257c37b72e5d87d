"""Go programs: compiled and linked once against a standard library made beforehand, run from the artefact."""

from __future__ import annotations

import os

import native
from languages import Language, Program, Refused, Toolchain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from limits import Limits

_SOURCE, _OBJECT, _ARTEFACT = "main.go", "main.o", "main"
_OURS, _ALL = "visible.cfg", "all.cfg"
_ERROR = r"(?m)^main\.go:(\d+):(?:\d+:)? (.*)$"
_MISSING = r"could not import (\S+) .*"
_LINKER = r"(?m)^(?:.*: )?(function main is undeclared in the main package|.*undefined.*)$"
# Of the standard library, what only it may import itself.
_INTERNAL = {"internal", "vendor"}


def _prepare(source: bytes, artefact: bytes, toolchain: Toolchain, folder: str) -> Program:
    artefact = artefact or _compile(source, toolchain)
    native.keep_sealed(artefact)
    return Program(_run, artefact)


def _compile(source: bytes, toolchain: Toolchain) -> bytes:
    with open(_SOURCE, "wb") as file:
        file.write(source)
    _list_packages(toolchain.store)
    os.environ["GOROOT"] = toolchain.home
    os.environ["GOMAXPROCS"] = "2"
    tools = os.path.join(toolchain.home, "pkg", "tool")
    [system] = os.listdir(tools)
    tools = os.path.join(tools, system)
    here = f"{os.getcwd()}=>"  # file names without their folder, in messages and in traces
    _run_tool(tools, "compile", ["-p=main", "-complete", "-pack", "-c=1", "-trimpath", here, "-importcfg", _OURS, "-o"])
    # Without tables for debuggers; traces do not need them.
    _run_tool(tools, "link", ["-s", "-w", "-importcfg", _ALL, "-o"])
    with open(_ARTEFACT, "rb") as file:
        return file.read()


def _run_tool(tools: str, name: str, arguments: list[str]) -> None:
    files = {"compile": [_OBJECT, _SOURCE], "link": [_ARTEFACT, _OBJECT]}[name]
    status, said = native.run_tool(os.path.join(tools, name), [name, *arguments, *files])
    if status != 0:
        raise _refusal(name, status, said)


def _list_packages(store: str) -> None:
    """Tells the compiler what a program may import, and the linker where all of it is."""
    library = os.path.join(store, "library")
    with open(os.path.join(library, "packages"), encoding="utf-8") as names:
        packages = names.read().split()
    for name, listed in ((_OURS, [p for p in packages if _INTERNAL.isdisjoint(p.split("/"))]), (_ALL, packages)):
        with open(name, "w", encoding="utf-8") as file:
            file.writelines(f"packagefile {package}={library}/{package}.a\n" for package in listed)


def _refusal(tool: str, status: int, said: str) -> Refused:
    import re

    if (error := re.search(_ERROR, said)) is not None:
        missing = re.fullmatch(_MISSING, error[2])
        return Refused("", f"could not import {missing[1]}" if missing else error[2], [int(error[1])])
    if (linking := re.search(_LINKER, said)) is not None:
        return Refused("", linking[1], [])
    return Refused("", native.word_end(f"go {tool}", status), [])


def _run(kind: str, folder: str, limits: Limits, arguments: list[str]) -> NoReturn:
    # A slot has one core. Short of its limit the collector works harder before the kernel steps in.
    os.environ["GOMAXPROCS"] = "1"
    os.environ["GOMEMLIMIT"] = str(limits.memory_bytes * 3 // 4)
    native.become_kept(os.path.join(folder, _ARTEFACT), arguments)


GO = Language(
    _prepare,
    shows="home",
    compiled=True,
    reserves_memory=True,
    # The runtime's own: the collector, the scheduler's monitor, and threads parked in system calls.
    runtime_threads=8,
)
