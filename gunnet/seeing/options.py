"""
The options about seeing what a relay does.
"""

from __future__ import annotations

from twisted.python.usage import Options, UsageError

from gunnet.option_group import OptionGroup
from gunnet.seeing.wanted import LOG_FORMATS, LOG_LEVELS, TRACES, Seeing


class SeeingOptions(Options):
    """The part of the command line that says it."""

    optParameters = [
        ["metrics-listen", None, None, "Endpoint for metrics and traces, like tcp:9090:interface=127.0.0.1"],
        ["trace", None, None, f"Messages to follow: {', '.join(TRACES)} [default: off]"],
        ["log-format", None, None, f"{' or '.join(LOG_FORMATS)}; of gunnet relay [default: text]"],
        ["log-level", None, None, f"Least to be logged: {', '.join(LOG_LEVELS)} [default: info]"],
    ]
    optFlags = [["metrics", None, "Serve /metrics where clients connect, too"]]


GROUP = OptionGroup(
    fields={
        "metrics-listen": ("metrics_listen", str),
        "trace": ("trace", str),
        "log-format": ("log_format", str),
        "log-level": ("log_level", str),
    },
    flags={"metrics": "metrics"},
)


def refuse_logging(wanted: Seeing) -> None:
    """
    Under C{twist} the log is not ours.

    @raise UsageError: somebody thinks that it is, wherever that was said.
    """
    for name, value, usual in (
        ("log-format", wanted.log_format, Seeing.log_format),
        ("log-level", wanted.log_level, Seeing.log_level),
    ):
        if value != usual:
            raise UsageError(f"--{name} is an option of twist: twist --{name}={value} gun")
