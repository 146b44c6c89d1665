"""
Keys and certificates in files, read again when these change.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from gunnet.counters import Counters
from gunnet.settings_error import SettingsError
from gunnet.tls.certificates import Certificates
from gunnet.tls.pairs import read_pair


class PairFiles:
    """The files of C{--tls-key} and C{--tls-cert}."""

    _log = Logger()

    def __init__(
        self,
        pairs: tuple[tuple[str, str], ...],
        certificates: Certificates,
        reactor: IReactorTime,
        counters: Counters,
    ) -> None:
        """
        @param pairs: (key, certificate) each.
        @param certificates: get what is read.
        """
        self._pairs = pairs
        self._certificates = certificates
        self._reactor = reactor
        self._counters = counters
        self._seen: dict[str, tuple[Any, ...]] = {}

    def open(self) -> None:
        """
        Read all of them.

        @raise SettingsError: one can't be used.
        """
        for key, cert in self._pairs:
            self._seen[cert] = _look(key, cert)
            self._certificates.put(cert, read_pair(key, cert, self._reactor.seconds()))

    def look(self) -> None:
        """Read those again that have changed. What can't be used is said once, and what was there stays."""
        for key, cert in self._pairs:
            seen = _look(key, cert)
            if seen == self._seen.get(cert):
                continue
            self._seen[cert] = seen
            try:
                pair = read_pair(key, cert, self._reactor.seconds())
                self._certificates.put(cert, pair)
            except SettingsError as e:
                self._counters.count("tls_reloads_failed")
                self._log.error("{why}; the certificate that was there before stays", why=str(e))
            except Exception:
                self._log.failure("TLS: {path} could not be read again", path=cert)
            else:
                self._counters.count("tls_reloads")
                self._log.info(
                    "TLS: {path} has changed, and is shown from now on; it holds until {ends}",
                    path=cert,
                    ends=pair.chain[0].not_valid_after_utc,
                )


def _look(*paths: str) -> tuple[Any, ...]:
    seen: list[Any] = []
    for path in paths:
        try:
            found = os.stat(path)
        except (OSError, ValueError):
            seen.append(None)
        else:
            seen += [found.st_mtime_ns, found.st_size, found.st_ino, found.st_ctime_ns]
    return tuple(seen)
