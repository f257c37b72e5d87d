"""The judge's side of a run that reads what comes while it runs: hands its words in, and what comes out to the judge.

From the judge come frames `{"say": bytes}` followed by those bytes, and `{"hush": true}` when nothing more comes; it
gets `{"event": "listening"}` once they may come, and `{"event": "wrote", "bytes"}` with every piece of output.
"""

from __future__ import annotations

import os

import wire


class Abandoned(Exception):
    """The judge no longer wants the answer, or is gone."""

    def __init__(self, *, heard: bool = False) -> None:
        super().__init__()
        self.heard = heard  # whether the word that said so has been read


class Dialogue:
    """The program's standard input, a pipe, and the judge at its other end."""

    def __init__(self, requests: int, answers: int) -> None:
        self._requests = requests
        self._answers = answers
        self._unread = bytearray()
        self._hushed = False
        self._writing: int | None = None

    def open(self) -> int:
        """The end of the pipe that the program reads; whoever asks closes it."""
        reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        return reading

    def listen(self) -> None:
        """Tells the judge that it may speak."""
        wire.write_frame(self._answers, {"event": "listening"})

    def tell(self, piece: bytes) -> None:
        """Hands a piece of output to the judge."""
        wire.write_frame(self._answers, {"event": "wrote", "bytes": len(piece)}, piece)

    def take(self) -> None:
        """Takes the judge's next word. Raises Abandoned when that is its last."""
        header = wire.read_header(self._requests)
        if "abandon" in header:
            raise Abandoned(heard=True)
        self._unread += wire.read_exactly(self._requests, header.get("say", 0))
        self._hushed = self._hushed or "hush" in header
        self.feed()

    def feed(self) -> None:
        """Hands in as much as the program's pipe takes."""
        try:
            while self._unread and self._writing is not None:
                del self._unread[: os.write(self._writing, self._unread)]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._hushed = True  # the program has closed its standard input
        if self._hushed:
            self.close()

    def waiting(self) -> int | None:
        """The pipe, where it has to take more before the program has read all that was said."""
        return self._writing if self._unread else None

    def close(self) -> None:
        """The program reads the end of its input."""
        self._unread.clear()
        if self._writing is not None:
            os.close(self._writing)
            self._writing = None


def skip(requests: int, header: dict[str, object]) -> bool:
    """Whether a frame is a word that came too late, to a program that has ended; its bytes are read away."""
    said = header.get("say", 0)
    wire.read_exactly(requests, said if isinstance(said, int) else 0)
    return "say" in header or "hush" in header or "abandon" in header
