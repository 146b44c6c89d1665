"""
What the operator wants to see: plain data, checked, with nothing opened.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gunnet.front.wanted import HAPROXY
from gunnet.settings_error import SettingsError

LOG_FORMATS = ("text", "json")
LOG_LEVELS = ("debug", "info", "warn", "error", "critical")
TRACES = ("off", "dbg", "all")


@dataclass(frozen=True)
class Seeing:
    """
    How a relay shows what it does. By default by C{/healthz}, C{/readyz} and a log.

    @ivar metrics: whether metrics, and figures by gun.js's names, are also served where clients connect.
    @ivar metrics_listen: Twisted server endpoint string of a listener for these and traces; or L{None}.
    @ivar trace: which messages are followed: none, those that carry C{DBG}, or all.
    @ivar log_format: of C{gunnet relay}; C{json} is an object a line.
    @ivar log_level: the least that is logged.
    @raise SettingsError: one clear line on what is wrong.
    """

    metrics: bool = False
    metrics_listen: str | None = None
    trace: Literal["off", "dbg", "all"] = "off"
    log_format: Literal["text", "json"] = "text"
    log_level: str = "info"

    def __post_init__(self) -> None:
        for name, value, known in (
            ("trace", self.trace, TRACES),
            ("log format", self.log_format, LOG_FORMATS),
            ("log level", self.log_level, LOG_LEVELS),
        ):
            if value not in known:
                raise SettingsError(f"{name} {value!r} is none of {', '.join(known)}")
        if (self.metrics_listen or "").startswith(HAPROXY):
            raise SettingsError(
                f"--metrics-listen {self.metrics_listen}: the PROXY protocol is not spoken there"
            )
        if self.trace != "off" and self.metrics_listen is None:
            raise SettingsError("--trace needs --metrics-listen: that is where a trace is asked for")
