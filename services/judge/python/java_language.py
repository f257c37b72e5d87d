"""Java programs: compiled once by javac into an archive of classes, run from it by java."""

from __future__ import annotations

import os

import native
from languages import Language, Program, Refused, Toolchain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from limits import Limits

FLAGS = ["-proc:none", "-nowarn", "-implicit:none", "-Xmaxerrs", "1", "-encoding", "UTF-8"]
# The collector with one thread, one compiler of each kind, no files of its own in /tmp.
_QUIET = ["-XX:+UseSerialGC", "-XX:ActiveProcessorCount=1", "-XX:-UsePerfData", "-Xshare:auto"]
_COMPILER = ["-Xmx512m", "-XX:TieredStopAtLevel=1", *_QUIET]
# A recursion 200,000 deep; unwinding a stack that has overflowed takes several times its size.
_STACK_BYTES = 16 << 20
_RUNTIME = [f"-Xss{_STACK_BYTES}", "-XX:MaxMetaspaceSize=64m", "-XX:ReservedCodeCacheSize=64m", *_QUIET]
# Metaspace, compiled code, the runtime itself and its threads' stacks; the heap is the program's.
_RUNTIME_BYTES = 128 << 20
_CLASSES = "classes"
_ERROR = r"(?m)^\w+\.java:(\d+): error: (.*)$((?:\n(?!\w+\.java:\d+:).*)*)"
_SYMBOL = r"(?m)^\s+symbol:\s+(.*?)\s*$"
_MODIFIERS = rb"(?:(?:abstract|final|strictfp|sealed|non-sealed)\s+)*"
_PUBLIC = rb"(?m)^[ \t]*public\s+" + _MODIFIERS + rb"(?:class|interface|enum|record)\s+([A-Za-z_$][\w$]*)"
# An archive ends in this mark, 18 bytes of numbers, and its comment.
_END, _END_BYTES = b"PK\5\6", 22


def _prepare(source: bytes, artefact: bytes, toolchain: Toolchain, folder: str) -> Program:
    artefact = artefact or _compile(source, toolchain)
    entry = artefact[artefact.rindex(_END) + _END_BYTES :].decode()
    native.keep_sealed(artefact)
    java = os.path.join(os.path.dirname(toolchain.path), "java")

    def run(kind: str, working_folder: str, limits: Limits, arguments: list[str]) -> NoReturn:
        os.set_inheritable(native.KEPT, True)
        native.find_libraries(toolchain.home)
        heap = f"-Xmx{max(8 << 20, limits.memory_bytes - _RUNTIME_BYTES) >> 20}m"
        native.become(java, [java, *_RUNTIME, heap, "-cp", _path_of(artefact), entry, *arguments])

    return Program(run, artefact)


def _path_of(artefact: bytes) -> str:
    """Where the runtime finds the archive: sealed or, in a sandbox without /proc, as this run's own copy."""
    sealed = f"/proc/self/fd/{native.KEPT}"
    if os.path.exists(sealed):
        return sealed
    with open("main.jar", "wb") as file:
        file.write(artefact)
    return "main.jar"


def _compile(source: bytes, toolchain: Toolchain) -> bytes:
    import re

    # A public class must be in a file of its name.
    public = [name.decode() for name in re.findall(_PUBLIC, source)]
    name = "Main" if "Main" in public or not public else public[0]
    with open(f"{name}.java", "wb") as file:
        file.write(source)
    os.mkdir(_CLASSES)
    native.find_libraries(toolchain.home)
    tuning = [f"-J{flag}" for flag in _COMPILER]
    status, said = native.run_tool(toolchain.path, [toolchain.path, *tuning, *FLAGS, "-d", _CLASSES, f"{name}.java"])
    if status != 0:
        raise _refusal(status, said)
    classes = {path: _read(os.path.join(_CLASSES, path)) for path in _class_files()}
    return _archive(classes, _entry(classes, public))


def _archive(classes: dict[str, bytes], entry: str) -> bytes:
    """The classes as an archive that is the same for the same source; its comment names the one to start."""
    import io
    import zipfile  # costs more than preparing a program that is compiled already

    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive:
        for path, content in classes.items():
            archive.writestr(zipfile.ZipInfo(path), content)
        archive.comment = entry.encode()
    return made.getvalue()


def _class_files() -> list[str]:
    found = [os.path.join(folder, name) for folder, _, names in os.walk(_CLASSES) for name in names]
    return sorted(os.path.relpath(path, _CLASSES) for path in found)


def _entry(classes: dict[str, bytes], public: list[str]) -> str:
    """The class with a main method: Main, else a public one, else the first."""
    names = [
        path.removesuffix(".class").replace("/", ".")
        for path, content in classes.items()
        if b"\4main" in content and b"([Ljava/lang/String;)V" in content
    ]
    if not names:
        raise Refused("", "error: no class has a method public static void main(String[] args)", [])
    simple = {name: name.rpartition(".")[2] for name in names}
    return min(names, key=lambda name: (simple[name] != "Main", simple[name] not in public, "$" in name, name))


def _refusal(status: int, said: str) -> Refused:
    import re

    if (error := re.search(_ERROR, said)) is not None:
        symbol = re.search(_SYMBOL, error[3])
        message = f"error: {error[2]}{f' ({symbol[1]})' if symbol else ''}"
        return Refused("", message, [int(error[1])])
    return Refused("", native.word_end("javac", status), [])


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


JAVA = Language(
    _prepare,
    # Debian keeps a part of each Java there.
    folders=("/etc/java-*",),
    shows="home",
    compiled=True,
    reserves_memory=True,
    stacks=24 * _STACK_BYTES,
    runtime_bytes=_RUNTIME_BYTES,
    runtime_threads=24,
)
