"""
Tests for L{gunnet.tls.pairs}: keys and certificates in files.
"""

from __future__ import annotations

import os

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.trial.unittest import SynchronousTestCase

from gunnet.settings import SettingsError
from gunnet.tls import pairs
from gunnet.tls.pairs import Pair, read_pair
from tests.tls.authority import DAY, Authority, pem_of

NOW = 1_800_000_000.0


class PairCase(SynchronousTestCase):
    """Files with what a test says."""

    def setUp(self) -> None:
        self.authority = Authority(NOW)

    def file(self, data: bytes) -> str:
        path = self.mktemp()
        with open(path, "wb") as file:
            file.write(data)
        return path

    def read(self, key: bytes, cert: bytes) -> Pair:
        return read_pair(self.file(key), self.file(cert), NOW)

    def refused(self, key: bytes, cert: bytes) -> str:
        why = str(self.assertRaises(SettingsError, self.read, key, cert))
        self.assertNotIn("\n", why)
        self.assertTrue(why.startswith("TLS: "), why)
        return why


class ReadTests(PairCase):
    """Reading them."""

    def test_read(self) -> None:
        """What it is for, and for how long; what leads to the authority comes along."""
        key, cert = self.authority.gives("Relay.example", "*.b.example", "192.0.2.1")
        pair = self.read(key, cert + self.authority.pem)
        self.assertEqual(("relay.example", "*.b.example", "192.0.2.1"), pair.names)
        self.assertEqual((NOW - DAY, NOW + 90 * DAY), (pair.begins, pair.ends))
        self.assertEqual(self.authority.certificate, pair.chain[1])

    def test_one_file(self) -> None:
        """Both may be in one file, in any order."""
        key, cert = self.authority.gives("relay.example")
        for path in (self.file(key + cert), self.file(cert + key)):
            self.assertEqual(1, len(read_pair(path, path, NOW).chain))

    def test_no_names(self) -> None:
        """One without names is for nobody."""
        pair = self.read(*self.authority.gives())
        self.assertEqual((), pair.names)
        self.assertFalse(pair.fits("relay.example"))

    def test_missing(self) -> None:
        """A file that is not there."""
        key, cert = map(self.file, self.authority.gives("relay.example"))
        gone = os.path.join(self.mktemp(), "gone.pem")
        for paths in ((gone, cert), (key, gone)):
            why = str(self.assertRaises(SettingsError, read_pair, *paths, NOW))
            self.assertEqual(f"TLS: {gone}: No such file or directory", why)

    def test_damaged(self) -> None:
        """One that was written in part, or is something else."""
        key, cert = self.authority.gives("relay.example")
        for half in (key[: len(key) // 2], b"", b"nonsense"):
            self.assertIn("no private key", self.refused(half, cert))
        for half in (cert[: len(cert) // 2], b"", key):
            self.assertIn("no certificate", self.refused(key, half))

    def test_large(self) -> None:
        """One that is larger than any list of authorities."""
        self.patch(pairs, "PEM_BYTES_MAX", 10)
        self.assertIn("larger than 10 bytes", self.refused(*self.authority.gives("relay.example")))

    def test_names(self) -> None:
        """One whose names make no sense."""
        broken = x509.UnrecognizedExtension(x509.ExtensionOID.SUBJECT_ALTERNATIVE_NAME, b"nonsense")
        self.assertIn("names in", self.refused(*self.authority.gives(extension=broken)))

    def test_mismatch(self) -> None:
        """The key of another certificate."""
        key, _ = self.authority.gives("relay.example")
        _, cert = self.authority.gives("relay.example")
        self.assertIn("is not that of the first certificate", self.refused(key, cert))

    def test_order(self) -> None:
        """The authority's certificate before our own."""
        key, cert = self.authority.gives("relay.example")
        self.assertIn("is not that of the first certificate", self.refused(key, self.authority.pem + cert))

    def test_time(self) -> None:
        """One that has expired, or begins later."""
        self.assertIn("has expired", self.refused(*self.authority.gives("a.example", ends=0)))
        self.assertIn("does not hold before", self.refused(*self.authority.gives("a.example", begins=60)))

    def test_password(self) -> None:
        """A key that is encrypted: there is nobody to ask for the password."""
        key = ec.generate_private_key(ec.SECP256R1())
        _, cert = self.authority.gives("relay.example", key=key)
        self.assertIn("needs a password", self.refused(pem_of(key, b"north"), cert))


class NameTests(PairCase):
    """What it is for."""

    def test_wildcard(self) -> None:
        """A star is for one label, the first."""
        pair = self.read(*self.authority.gives("*.b.example"))
        for name, fits in (
            ("a.b.example", True),
            ("A.B.EXAMPLE", True),
            ("b.example", False),
            ("x.a.b.example", False),
            ("a.c.example", False),
            ("", False),
            ("192.0.2.1", False),
            ("\ufffd.b.example", False),
        ):
            self.assertEqual(fits, pair.fits(name), name)
