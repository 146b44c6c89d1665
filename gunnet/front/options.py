"""
The options about what stands in front of a relay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.python.usage import Options

from gunnet.amounts import port
from gunnet.front.wanted import Front
from gunnet.option_group import OptionGroup


class FrontOptions(Options):
    """The part of the command line that says it."""

    optParameters = [
        ["redirect-http", None, None, "Port where plain HTTP is answered with a redirect to HTTPS, like 80"],
    ]
    optFlags = [
        ["proxy-protocol", None, "Connections begin with a header of the PROXY protocol (v1 or v2)"],
    ]

    def opt_trust_proxy(self, network: str) -> None:
        """Proxy (127.0.0.1, 10.0.0.0/8, unix) that is believed who its clients are (may be repeated)"""
        self["trust-proxy"].append(network)


def network(value: str) -> str:
    """
    Read who is to be trusted.

    @raise gunnet.settings_error.SettingsError: that is nobody.
    """
    return Front(trusted=(value,)).trusted[0]


GROUP = OptionGroup(
    fields={"redirect-http": ("redirect", port)},
    lists={"trust-proxy": ("trusted", network)},
    flags={"proxy-protocol": "proxy_protocol"},
)


def front_of(said: Mapping[str, Any], listening_at: Callable[[int], str]) -> Front:
    """
    What comes of all that was said.

    @param said: option name to value, of the right type.
    @param listening_at: gives the endpoint string for a TCP port.
    @raise gunnet.settings_error.SettingsError: one clear line on what is wrong.
    """
    chosen = GROUP.chosen(said)
    if "redirect" in chosen:
        chosen["redirect"] = listening_at(chosen["redirect"])
    return Front(**chosen)
