"""Process 1 of a sandbox that bubblewrap made: an interpreter of its own, that becomes the warden."""

from __future__ import annotations

import gc
import marshal
import os
import sys

import arguments
from limits import Limits
from program import prepare_interpreter
from warden import Keep, keep_sandbox

_CHANNEL = 3


def main() -> None:
    """Reads its argument, which bubblewrap.py wrote, and keeps the sandbox."""
    try:
        os.environ.pop("PWD", None)  # bwrap's doing
        given = marshal.loads(bytes.fromhex(sys.argv[1]))
        arguments.forget(arguments.find())
        name = given["language"]
        # Only this one: importing them all would take as long again as starting has.
        languages = {name: getattr(__import__(f"{name}_language"), name.upper())}
        prepare_interpreter(given["packages"])
        gc.disable()
        gc.freeze()
        keep_sandbox(_CHANNEL, Keep(**given["keep"]), Limits.unpack(given["limits"]), languages, given["folder"])
    except Exception as error:
        print(f"the sandbox was not set up: {error}", file=sys.stderr)
    finally:
        os._exit(1)


if __name__ == "__main__":
    main()
