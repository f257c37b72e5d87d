"""Process 1 of a sandbox that bubblewrap made: an interpreter of its own, that becomes the warden."""

from __future__ import annotations

import gc
import json
import os
import sys

import root
from limits import Limits
from program import prepare_interpreter
from warden import Keep, keep_sandbox

_CHANNEL = 3

if __name__ == "__main__":
    try:
        os.environ.pop("PWD", None)  # bwrap's doing
        given = json.loads(sys.argv[1])
        keep = Keep(**{**given["keep"], "call_filter": b"", "beside": ()})
        prepare_interpreter(root.package_folders())
        gc.disable()
        gc.freeze()
        keep_sandbox(_CHANNEL, keep, Limits.unpack(bytes.fromhex(given["limits"])), given["folder"])
    except Exception as error:
        print(f"the sandbox was not set up: {error}", file=sys.stderr)
    finally:
        os._exit(1)
