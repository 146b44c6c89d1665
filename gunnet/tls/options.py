"""
The options about TLS.
"""

from __future__ import annotations

from twisted.python.usage import Options

from gunnet.access.options import text
from gunnet.amounts import port
from gunnet.option_group import OptionGroup
from gunnet.tls.wanted import CHALLENGES, HTTP_PORT, Acme


class TlsOptions(Options):
    """The part of the command line that says it."""

    optParameters = [
        ["acme-email", None, None, "Where the ACME authority may write to"],
        ["acme-directory", None, None, "URL of the ACME authority [default: that of Let's Encrypt]"],
        [
            "acme-challenge",
            None,
            None,
            f"How it is shown that a name is ours: {', '.join(CHALLENGES)} [default: {Acme().challenge}]",
        ],
        ["acme-folder", None, None, "Folder for keys and certificates of ACME [default: acme in --data]"],
        ["acme-http-port", None, None, f"Port to answer http-01 on [default: {HTTP_PORT}]"],
    ]
    optFlags = [["acme-agree-tos", None, "You agree to the terms of the ACME authority"]]

    def opt_tls_key(self, path: str) -> None:
        """PEM file of a private key; with --tls-cert, listen with TLS (may be repeated, as may that)"""
        self["tls-key"].append(path)

    def opt_tls_cert(self, path: str) -> None:
        """PEM file of its certificate and chain; the first is shown to who asks for another name"""
        self["tls-cert"].append(path)

    def opt_tls_ca(self, path: str) -> None:
        """PEM file of authorities to believe about other relays, with the system's (may be repeated)"""
        self["tls-ca"].append(path)

    def opt_acme_domain(self, name: str) -> None:
        """Host name to get a certificate for by ACME; needs gunnet[acme] (may be repeated)"""
        self["acme-domain"].append(name)


GROUP = OptionGroup(
    lists={
        "tls-key": ("keys", text),
        "tls-cert": ("certs", text),
        "tls-ca": ("authorities", text),
    }
)
ACME = OptionGroup(
    fields={
        "acme-email": ("email", text),
        "acme-directory": ("directory", text),
        "acme-challenge": ("challenge", text),
        "acme-folder": ("folder", text),
        "acme-http-port": ("http", port),
    },
    lists={"acme-domain": ("domains", str.lower)},
    flags={"acme-agree-tos": "agreed"},
)
