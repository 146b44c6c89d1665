"""
Pebble, the ACME authority for tests by those who make Let's Encrypt's, and a DNS that leads every name here.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from twisted.trial.unittest import TestCase

from tests.interop import node
from tests.interop.children import Child, until
from tests.interop.relays import HOST, free_port
from tests.tls.authority import Authority

HOW_TO_ENABLE = "On Debian, apt-get install pebble; as root, python -m tests debian does so"
READY_SECONDS_MAX = 30.0
BLOCKED = "blocked.example"
"""A name for which it gives nothing."""


class Pebble:
    """
    The authority, on ports of its own.

    @ivar directory: its URL.
    @ivar http_port: where it looks for C{http-01}.
    @ivar tls_port: where it looks for C{tls-alpn-01}.
    @ivar ca: PEM file of who vouches for its web server.
    """

    def __init__(self, test: TestCase, authority: Authority, holds_seconds: int = 90 * 24 * 3600) -> None:
        """
        @param authority: gives the certificate of its web server.
        @param holds_seconds: how long those hold that it gives.
        @raise SkipTest: there is none here and nobody insists.
        """
        if not (shutil.which("pebble") and shutil.which("pebble-challtestsrv")):
            raise node.unavailable("there is no program pebble or pebble-challtestsrv", HOW_TO_ENABLE)
        self._test = test
        self._folder = Path(test.mktemp()).resolve()
        self._folder.mkdir(parents=True)
        key, cert = authority.gives("localhost", HOST)
        for name, data in (("key.pem", key), ("cert.pem", cert), ("ca.pem", authority.pem)):
            (self._folder / name).write_bytes(data)
        self.ca = str(self._folder / "ca.pem")
        self.http_port, self.tls_port, self._port, self._dns = (free_port() for _ in range(4))
        self.directory = f"https://{HOST}:{self._port}/dir"
        config = {
            "listenAddress": f"{HOST}:{self._port}",
            "managementListenAddress": f"{HOST}:{free_port()}",
            "certificate": str(self._folder / "cert.pem"),
            "privateKey": str(self._folder / "key.pem"),
            "httpPort": self.http_port,
            "tlsPort": self.tls_port,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": False,
            "domainBlocklist": [BLOCKED],
            "certificateValidityPeriod": holds_seconds,
        }
        (self._folder / "config.json").write_text(json.dumps({"pebble": config}))

    async def start(self) -> None:
        """Start both, and wait until they listen."""
        dns = Child("pebble-challtestsrv")
        # fmt: off
        dns.start(self._test, [
            _program("pebble-challtestsrv"), "-dns01", f"{HOST}:{self._dns}", "-defaultIPv6", "",
            "-http01", "", "-https01", "", "-tlsalpn01", "", "-management", f"{HOST}:{free_port()}",
        ], os.environ)
        # fmt: on
        self.child = Child("pebble")
        environment = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}
        config = str(self._folder / "config.json")
        command = [_program("pebble"), "-config", config, "-dnsserver", f"{HOST}:{self._dns}"]
        self.child.start(self._test, command, {**os.environ, **environment})

        async def listens() -> bool:
            if self.child.status is not None or dns.status is not None:
                raise AssertionError(f"it has ended. {self.child.report()} {dns.report()}")
            return any("ACME directory available" in line for line in self.child.output)

        await until(READY_SECONDS_MAX, lambda: f"pebble listens. {self.child.report()}", listens)


def _program(name: str) -> str:
    """Where a program is, which the reactor does not look for."""
    found = shutil.which(name)
    assert found is not None
    return found
