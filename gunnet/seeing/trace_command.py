"""
C{gunnet trace}: asks a relay that runs for the way of one message.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import urlopen

from gunnet import usage

URL = "http://127.0.0.1:9090"
TIMEOUT_SECONDS = 10
ANSWER_BYTES_MAX = 1 << 20


class NoTrace(Exception):
    """There is none. C{str()} of it is one line that says why."""


class Options(usage.Options):
    """What C{gunnet trace} understands."""

    synopsis = "Usage: gunnet trace [options] [ID]"
    longdesc = (
        "Tells the way of the message ID through a relay that follows it (--trace), with times; without ID, "
        "the ids of the messages that are known."
    )
    optParameters = [["url", None, URL, "Where the relay serves metrics (--metrics-listen)"]]
    optFlags = [["json", None, "Print JSON, as the relay gives it"]]

    def parseArgs(self, id: str | None = None) -> None:
        """The message."""
        self["id"] = id


def trace(options: Mapping[str, Any]) -> str:
    """
    What is to be printed.

    @raise NoTrace: there is nothing.
    """
    found = _ask(options["url"].rstrip("/"), options["id"])
    if options["json"]:
        return json.dumps(found, indent=1)
    try:
        return "\n".join(found["ids"]) if options["id"] is None else table(found)
    except (KeyError, TypeError, AttributeError) as e:
        raise NoTrace(f"{options['url']}: that is no trace of a relay") from e


def table(found: Mapping[str, Any]) -> str:
    """A trace for people: milliseconds since the message was heard, the step, and what happened."""
    steps = found["steps"]
    start = steps[0]["at"] if steps else 0.0
    at = datetime.fromtimestamp(start / 1000, UTC).isoformat(timespec="milliseconds")
    lines = [f"{found['id']}, heard {at}"]
    lines += [f"{each['at'] - start:10.3f} ms  {each['step']:<6} {each['what']}" for each in steps]
    if found["left_out"]:
        lines.append(f"and {found['left_out']} more steps, for which there was no room")
    return "\n".join(lines)


def _ask(url: str, id: str | None) -> Any:
    query = "" if id is None else f"?id={quote(id, safe='')}"
    try:
        with urlopen(f"{url}/trace{query}", timeout=TIMEOUT_SECONDS) as answer:
            return json.loads(answer.read(ANSWER_BYTES_MAX))
    except HTTPError as e:
        raise NoTrace(_why(e) or f"{url}: {e.code} {e.reason}") from e
    except (OSError, HTTPException, ValueError) as e:
        raise NoTrace(f"{url}: {getattr(e, 'reason', None) or e}") from e


def _why(error: HTTPError) -> str | None:
    try:
        said = json.loads(error.read(ANSWER_BYTES_MAX))["error"]
        return said if isinstance(said, str) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
