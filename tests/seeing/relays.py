"""
A whole relay in memory, and what it shows.
"""

from __future__ import annotations

import json
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.address import IPv4Address

from gunnet.seeing.wanted import Seeing
from gunnet.service import RelayService
from tests.test_service import Client, ServiceCase
from tests.transport.doubles import WireTransport
from tests.web.test_resource import Answer

CLIENTS, OWN = 1, 9090
"""Ports: where clients connect, and the listener for metrics."""


class SeeingCase(ServiceCase):
    """A relay that was started, with all there is to see unless something else is said."""

    def begin(self, **fields: Any) -> RelayService:
        seeing = Seeing(metrics_listen=f"tcp:{OWN}:interface=127.0.0.1", metrics=True, trace="dbg")
        relay = self.relay(**{"listen": (f"tcp:{CLIENTS}",), "seeing": seeing, **fields})
        relay.startService()
        self.addCleanup(self.stop, relay)
        return relay

    def client(self) -> Client:
        return Client(self.reactor)

    def ask(
        self, path: str, port: int = OWN, headers: bytes = b"", *, name: str = "x", at: str | None = None
    ) -> Answer:
        """
        What is answered at a port.

        @param name: of the host that is asked.
        @param at: the address that is connected to.
        """
        factory = next(server[1] for server in self.reactor.tcpServers if server[0] == port)
        transport = WireTransport()
        if at is not None:
            transport.hostAddr = IPv4Address("TCP", at, port)
        transport.protocol = factory.buildProtocol(transport.getPeer())
        transport.protocol.makeConnection(transport)
        transport.protocol.dataReceived(
            f"GET {path} HTTP/1.1\r\nHost: {name}\r\n".encode() + headers + b"\r\n"
        )
        return Answer(transport.value())

    def json(self, path: str, port: int = OWN) -> Any:
        return json.loads(self.ask(path, port).body)

    def metrics(self) -> dict[str, float]:
        """Each series as it is written, without its quotation marks, and its value."""
        text = self.ask("/metrics").body.decode()
        found = {}
        for family in text_string_to_metric_families(text):
            self.assertTrue(family.documentation, family.name)
            for sample in family.samples:
                labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
                found[sample.name + (f"{{{labels}}}" if labels else "")] = sample.value
        return found
