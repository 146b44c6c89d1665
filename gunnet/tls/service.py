"""
TLS of one relay, put together.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from random import Random
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IListeningPort, IProtocolFactory
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.web.resource import IResource

from gunnet.counters import Counters
from gunnet.listening import listen
from gunnet.settings_error import SettingsError
from gunnet.tls.acme_folder import AcmeFolder
from gunnet.tls.alpn_challenge import AlpnChallenges, ChallengeFactory
from gunnet.tls.certificates import Certificates
from gunnet.tls.files import PairFiles
from gunnet.tls.http_challenge import ChallengeResource, PlainRoot
from gunnet.tls.renewals import DAY, Renewals
from gunnet.tls.wanted import Acme, Tls

LOOK_AGAIN_SECONDS = 5.0
"""How often files are looked at."""
WARN_SECONDS = 14 * DAY
"""So long before the end of a certificate one is told of it, once a day."""


class TlsService(MultiService):
    """
    What listeners need to speak TLS.

    @ivar enabled: whether they are to.
    @ivar fallback: a leaf that answers all but challenges on the port for C{http-01}; may be set before the
        start.
    """

    log = Logger()

    def __init__(
        self, tls: Tls, acme: Acme, data: str | None, reactor: Any, random: Random, counters: Counters
    ) -> None:
        """
        @param data: the folder of the store, if there is one.
        @param random: for pauses.
        """
        super().__init__()
        self.setName("tls")
        self.enabled = bool(tls.keys or acme.domains)
        self.fallback: IResource | None = None
        self.challenges = ChallengeResource()
        self._tls = tls
        self._acme = acme
        self._data = data
        self._reactor = reactor
        self._random = random
        self._counters = counters
        self._certificates = Certificates()
        self._files = PairFiles(tls.pairs, self._certificates, reactor, counters)
        self._alpn = AlpnChallenges()
        self._warned: dict[str, float] = {}
        self._loop = LoopingCall(self.look)
        self._loop.clock = reactor
        self._port: IListeningPort | None = None

    def open(self) -> None:
        """
        Read keys and certificates.

        @raise SettingsError: one line on what is wrong with them.
        """
        self._files.open()
        if not self._acme.domains:
            return
        if find_spec("acme") is None:
            raise SettingsError("--acme-domain needs the package acme: pip install 'gunnet[acme]'")
        from gunnet.tls.acme_client import AcmeClient  # it takes its time to load

        place = self._acme.folder
        if place is None and self._data is None:
            raise SettingsError("ACME: without a data folder, --acme-folder says where certificates are kept")
        folder = AcmeFolder(place or os.path.join(self._data or "", "acme"), self._acme.directory)
        renewals = Renewals(
            self._acme.domains,
            folder,
            AcmeClient(self._acme, folder, self._tls.authorities),
            self,
            self._certificates,
            self._reactor,
            self._random,
            self._counters,
        )
        renewals.open()
        renewals.setServiceParent(self)

    def wrap(self, factory: IProtocolFactory) -> IProtocolFactory:
        """Put TLS under C{factory}."""
        usual = TLSMemoryBIOFactory(self._certificates, False, factory, clock=self._reactor)
        if self._acme.domains and self._acme.challenge == "tls-alpn-01":
            return ChallengeFactory(usual, self._alpn, self._reactor)
        return usual

    @property
    def has_http(self) -> bool:
        """Whether a port of its own is opened for C{http-01}."""
        return bool(self._acme.domains) and self._acme.challenge == "http-01"

    def certificates(self) -> dict[str, float]:
        """How many seconds each certificate still holds, by its first name."""
        now = self._reactor.seconds()
        return {name: ends - now for name, ends in self.expiries().items()}

    def expiries(self) -> dict[str, float]:
        """When each certificate ends, in seconds since 1970, by its first name."""
        return {name: pair.ends for name, pair in self._certificates.shown().items()}

    # L{gunnet.tls.renewals.Answers}

    def put(self, name: str, token: str, answer: str) -> None:
        """Show an authority what it wants to see."""
        if self._acme.challenge == "http-01":
            self.challenges.put(token, answer)
        else:
            self._alpn.put(name, answer, self._reactor.seconds())

    def drop(self, name: str, token: str) -> None:
        """Show it no more."""
        self.challenges.drop(token)
        self._alpn.drop(name)

    # Twisted calls

    def startService(self) -> None:
        """
        Look at files from now on, and get what is missing.

        @raise CannotListenError: the port for C{http-01} can't be had.
        """
        if self.has_http:
            self._listen()
        super().startService()
        if self.enabled:
            self._loop.start(LOOK_AGAIN_SECONDS)

    def stopService(self) -> Deferred[Any]:
        """Look no more."""
        if self._loop.running:
            self._loop.stop()
        done = maybeDeferred(super().stopService)
        port, self._port = self._port, None
        return done if port is None else done.addCallback(lambda _: port.stopListening())

    def look(self) -> None:
        """Read files again that have changed, and tell of certificates that end soon."""
        self._files.look()
        now = self._reactor.seconds()
        for name, pair in self._certificates.shown().items():
            warn_seconds = WARN_SECONDS
            if name in self._acme.domains:  # some hold only for days, and are new long before this
                warn_seconds = min(WARN_SECONDS, (pair.ends - pair.begins) / 6)
            if pair.ends - now < warn_seconds and now - self._warned.get(name, 0.0) >= DAY:
                self._warned[name] = now
                self._counters.count("tls_expiry_warnings")
                self.log.warn(
                    "TLS: the certificate for {name} ends in {days:.1f} days",
                    name=name,
                    days=(pair.ends - now) / DAY,
                )

    def _listen(self) -> None:
        from gunnet.web.resource import RelaySite

        site = RelaySite(PlainRoot(self.challenges, self.fallback), self._reactor)
        listen(serverFromString(self._reactor, self._acme.http), site, self._begun)

    def _begun(self, port: IListeningPort) -> None:
        self._port = port
