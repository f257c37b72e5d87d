"""A channel between two processes of a slot: messages, and descriptors along with them."""

from __future__ import annotations

# Not socket, whose import takes half as long as an interpreter's start: bubblewrap's sandboxes start one each.
import _socket
import struct

_DESCRIPTOR = struct.calcsize("i")


class Channel:
    """One end."""

    def __init__(self, end: _socket.socket) -> None:
        self._end = end

    @staticmethod
    def pair() -> tuple[Channel, Channel]:
        """Both ends of a new one, which keeps messages apart; neither is inherited."""
        one, other = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        return Channel(one), Channel(other)

    @staticmethod
    def of(descriptor: int) -> Channel:
        """The end that a descriptor is, which now belongs to it."""
        return Channel(_socket.socket(fileno=descriptor))

    def fileno(self) -> int:
        """Its descriptor."""
        return self._end.fileno()

    def send(self, message: bytes, descriptors: list[int] | None = None) -> None:
        """Sends a message, and copies of descriptors."""
        packed = struct.pack(f"{len(descriptors)}i", *descriptors) if descriptors else b""
        self._end.sendmsg([message], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, packed)] if packed else [])

    def receive(self, most_bytes: int, most_descriptors: int = 0) -> tuple[bytes, list[int]]:
        """The next message and what came with it; an empty one at the end."""
        room = _socket.CMSG_LEN(most_descriptors * _DESCRIPTOR) if most_descriptors else 0
        try:
            message, ancillary, _, _ = self._end.recvmsg(most_bytes, room)
        except ConnectionResetError:
            return b"", []
        descriptors: list[int] = []
        for level, kind, packed in ancillary:
            if (level, kind) == (_socket.SOL_SOCKET, _socket.SCM_RIGHTS):
                descriptors += struct.unpack(f"{len(packed) // _DESCRIPTOR}i", packed)
        return message, descriptors

    def close(self) -> None:
        """Hangs up."""
        self._end.close()
