"""
What stands in front of a relay, as the operator says: plain data, checked, with nothing opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gunnet.front.trusted import Trusted
from gunnet.settings_error import SettingsError


@dataclass(frozen=True)
class Front:
    """
    What stands in front of a relay. By default nothing does, and nobody is believed.

    @ivar trusted: networks (C{10.0.0.0/8}), or C{unix} for UNIX sockets, of proxies whose word is taken for
        who their clients are.
    @ivar proxy_protocol: whether each connection begins with a header of the PROXY protocol; otherwise those
        of the listeners do that are named C{haproxy:…}.
    @ivar redirect: a Twisted server endpoint string; plain HTTP that comes there is sent to HTTPS.
        L{None} for nowhere.
    @raise SettingsError: one clear line on what is wrong.
    """

    trusted: tuple[str, ...] = ()
    proxy_protocol: bool = False
    redirect: str | None = None

    def __post_init__(self) -> None:
        Trusted(self.trusted)

    def check(self, endpoints: Sequence[str], *, has_tls: bool) -> None:
        """
        Look whether this fits what a relay listens on.

        @param endpoints: Twisted server endpoint strings.
        @param has_tls: whether those that don't say so speak TLS.
        @raise SettingsError: one clear line on why not.
        """
        for endpoint in endpoints:
            if not self.proxied(endpoint):
                continue
            if not self.trusted:
                raise SettingsError(f"{endpoint} needs --trust-proxy: who may say whose connection it is")
            if endpoint.removeprefix(HAPROXY).startswith("ssl:"):
                raise SettingsError(
                    f"{endpoint}: the header of the PROXY protocol comes before TLS; "
                    "use tcp: with --tls-key and --tls-cert"
                )
        if (
            self.redirect is not None
            and not has_tls
            and not any(each.startswith("ssl:") for each in endpoints)
        ):
            raise SettingsError("--redirect-http needs TLS here; what ends it for us redirects better itself")

    def proxied(self, endpoint: str) -> bool:
        """
        Whether connections at a listener begin with a header of the PROXY protocol.

        @param endpoint: a Twisted server endpoint string.
        """
        return self.proxy_protocol or endpoint.startswith(HAPROXY)


HAPROXY = "haproxy:"
"""What such an endpoint string begins with, as in Twisted's C{twisted.protocols.haproxy}."""
