"""The log: one JSON object a line on stderr, as the other rooms write it."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

_LEVELS = {"silent": 100, "fatal": 50, "error": 40, "warn": 30, "info": 20, "debug": 10, "trace": 5}


def log_to_stderr(level: str) -> None:
    """Logs this room's messages from a level on, and other libraries' warnings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("policy_torch").setLevel(_LEVELS[level])


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        level = {10: 20, 20: 30, 30: 40, 40: 50, 50: 60}.get(record.levelno, 30)
        line = {"level": level, "time": datetime.now(UTC).isoformat(timespec="milliseconds"), "name": "policy"}
        line |= getattr(record, "facts", {}) | {"msg": record.getMessage()}
        if record.exc_info:
            line["err"] = self.formatException(record.exc_info)
        return json.dumps(line)
