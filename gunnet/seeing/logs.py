"""
The log of C{gunnet relay}: as text, or as JSON for programs, an object a line.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, TextIO

from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    formatEvent,
    textFileLogObserver,
)
from twisted.python.failure import Failure

from gunnet.seeing.wanted import Seeing

_TAKEN = {"time", "level", "logger", "event", "message", "traceback"}


def observer(wanted: Seeing, file: TextIO) -> ILogObserver:
    """What writes the log to C{file}."""
    if wanted.log_format == "json":
        written: ILogObserver = FileLogObserver(file, json_line)
    else:
        written = textFileLogObserver(file)
    shown = LogLevelFilterPredicate(LogLevel.levelWithName(wanted.log_level))
    return FilteringLogObserver(written, [shown])


def json_line(event: LogEvent) -> str | None:
    """
    An event as a line of JSON: C{time} (ISO 8601, UTC), C{level}, C{logger}, C{event} (the same for all
    events of one kind), C{message}, C{traceback} if there is one, and the fields of that event, but for an
    event with one that JSON can't have in any way.
    """
    line: dict[str, Any] = {
        "time": _time(event.get("log_time")),
        "level": getattr(event.get("log_level"), "name", "info"),
        "logger": event.get("log_namespace"),
        "event": event.get("log_format"),
        "message": formatEvent(event),
    }
    for name, value in event.items():
        if not name.startswith("log_") and name not in _TAKEN and name != "isError":
            line[name] = value
    failure = event.get("log_failure")
    if isinstance(failure, Failure):
        line["traceback"] = failure.getTraceback()
    try:
        return json.dumps(line, default=str, allow_nan=False) + "\n"
    except Exception:
        return json.dumps({name: line[name] for name in line if name in _TAKEN}) + "\n"


def _time(seconds: object) -> str | None:
    if not isinstance(seconds, (int, float)):
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
