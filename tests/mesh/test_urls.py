"""
Tests for L{gunnet.mesh.urls}: what may be dialled because others said so.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gunnet.mesh.urls import AllowRule, read_url

INSIDE = (
    "http://127.0.0.1/gun",
    "http://127.0.0.1:8765/gun",
    "http://127.1/gun",
    "http://127.255.255.254/gun",
    "http://2130706433/gun",
    "http://0x7f000001/gun",
    "http://0x7F.0.0.1/gun",
    "http://0x7f.1/gun",
    "http://017700000001/gun",
    "http://0177.0.0.01/gun",
    "http://127.0.0.1./gun",
    "http://0/gun",
    "http://0x/gun",
    "http://0.0.0.0/gun",
    "http://10.0.0.1/gun",
    "http://10.1/gun",
    "http://167772161/gun",
    "http://172.16.0.1/gun",
    "http://172.31.255.255/gun",
    "http://192.168.1.1/gun",
    "http://192.168.257/gun",
    "http://169.254.169.254/gun",
    "http://0xa9fea9fe/gun",
    "http://100.64.0.1/gun",
    "http://192.0.2.1/gun",
    "http://198.18.0.1/gun",
    "http://224.0.0.251/gun",
    "http://240.0.0.1/gun",
    "http://255.255.255.255/gun",
    "http://[::]/gun",
    "http://[::1]/gun",
    "http://[0:0:0:0:0:0:0:1]/gun",
    "http://[::ffff:127.0.0.1]/gun",
    "http://[::ffff:7f00:1]/gun",
    "http://[::FFFF:10.0.0.1]/gun",
    "http://[::127.0.0.1]/gun",
    "http://[64:ff9b::7f00:1]/gun",
    "http://[64:ff9b:1::1]/gun",
    "http://[2002:7f00:1::]/gun",
    "http://[2002:a00:1::]/gun",
    "http://[2001:0:1:1:0:0:80ff:fffe]/gun",
    "http://[fe80::1]/gun",
    "http://[fc00::1]/gun",
    "http://[fd12:3456::1]/gun",
    "http://[fec0::1]/gun",
    "http://[ff02::1]/gun",
    "http://[ff0e::1]/gun",
    "http://[2001:db8::1]/gun",
    "http://localhost/gun",
    "http://LOCALHOST:8765/gun",
    "http://localhost./gun",
    "http://relay.localhost/gun",
    "http://printer.local/gun",
    "http://Printer.Local./gun",
    "http://metadata.google.internal/gun",
    "http://router.lan/gun",
    "http://nas.home.arpa/gun",
    "http://redis/gun",
)
"""Places that a relay may reach and strangers may not."""

NO_URLS: tuple[object, ...] = (
    None,
    True,
    5,
    1.5,
    {},
    [],
    ["https://a.example/gun"],
    "",
    "a.example",
    "//a.example/gun",
    "ftp://a.example/gun",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "http:/a.example",
    "http:///gun",
    "http://",
    "http://:80/gun",
    "http://a.example:0/gun",
    "http://a.example:65536/gun",
    "http://a.example:99999999/gun",
    "http://a.example:x/gun",
    "http://a.example:/gun",
    "http://me@a.example/gun",
    "http://me:secret@a.example/gun",
    "http://a.example@127.0.0.1/gun",
    "http://127.0.0.1\\@a.example/gun",
    "http://a.example\\gun",
    "http://a.example/gun?token=secret",
    "http://a.example/gun#x",
    "http://a.example/g un",
    " http://a.example/gun",
    "http://a.example/gun\n",
    "http://a.example/gun\r\nHost: b",
    "http://a.example/\N{SNOWMAN}",
    "http://\N{FULLWIDTH DIGIT ONE}27.0.0.1/gun",
    "http://127\N{IDEOGRAPHIC FULL STOP}0.0.1/gun",
    "http://%31%32%37.0.0.1/gun",
    "http://a..example/gun",
    "http://.example/gun",
    "http://-a.example/gun",
    "http://256.1.1.1/gun",
    "http://1.2.3.4.5/gun",
    "http://127.0.0.09/gun",
    "http://a.0x1/gun",
    "http://a.1/gun",
    "http://99999999999/gun",
    "http://1.16777216/gun",
    "http://[::1/gun",
    "http://[::1]x/gun",
    "http://[1::2::3]/gun",
    "http://[fe80::1%25eth0]/gun",
    "http://[v1.a]/gun",
    "http://" + "a" * 300 + ".example/gun",
)
"""What is the URL of no relay, or too clever."""


class ReadTests(SynchronousTestCase):
    """What is a URL, and its one form."""

    def test_one_form(self) -> None:
        """All spellings of one place are the same text."""
        for spelled, expected in (
            ("https://a.example/gun", "wss://a.example/gun"),
            ("wss://a.example/gun", "wss://a.example/gun"),
            ("HTTPS://A.Example:443/gun", "wss://a.example/gun"),
            ("wss://a.example./gun", "wss://a.example/gun"),
            ("http://a.example:80", "ws://a.example/"),
            ("ws://a.example/", "ws://a.example/"),
            ("ws://a.example:8765/Gun/x", "ws://a.example:8765/Gun/x"),
            ("http://134744072/gun", "ws://8.8.8.8/gun"),
            ("http://0x8.010.2056/gun", "ws://8.8.8.8/gun"),
            ("http://[2606:4700:0:0::1111]:8765/gun", "ws://[2606:4700::1111]:8765/gun"),
            ("ws://xn--bcher-kva.example/gun", "ws://xn--bcher-kva.example/gun"),
            ("ws://a_b.example/~me/gun%20x", "ws://a_b.example/~me/gun%20x"),
        ):
            url = read_url(spelled, 256)
            assert url is not None, spelled
            self.assertEqual(url.text, expected)
            self.assertEqual(read_url(url.text, 256), url)

    def test_parts(self) -> None:
        """Host and port are at hand."""
        self.assertEqual(read_url("https://[2606:4700::1]/gun", 99)[1:], ("2606:4700::1", 443))  # type: ignore[index]
        self.assertEqual(read_url("http://A.example:81", 99)[1:], ("a.example", 81))  # type: ignore[index]

    def test_no_urls(self) -> None:
        """All else is none."""
        for value in NO_URLS:
            self.assertIsNone(read_url(value, 256), repr(value))

    def test_length(self) -> None:
        """The bound is on the text that was told."""
        url = "https://a.example/gun"
        self.assertIsNotNone(read_url(url, len(url)))
        self.assertIsNone(read_url(url, len(url) - 1))


class AllowTests(SynchronousTestCase):
    """Where told URLs may lead."""

    def allowed(self, url: str, *networks: str) -> bool:
        read = read_url(url, 256)
        assert read is not None, url
        return AllowRule(networks).allows_host(read.host)

    def test_inside(self) -> None:
        """Nowhere inside, however it is spelled."""
        for url in INSIDE:
            self.assertFalse(self.allowed(url), url)

    def test_outside(self) -> None:
        """Public names and addresses are fine, also those that IPv6 carries."""
        for url in (
            "https://relay.example/gun",
            "http://localhost.example/gun",
            "http://local.example/gun",
            "http://8.8.8.8/gun",
            "http://[2606:4700::1111]/gun",
            "http://[::ffff:8.8.8.8]/gun",
            "http://[64:ff9b::8.8.8.8]/gun",
        ):
            self.assertTrue(self.allowed(url), url)

    def test_networks(self) -> None:
        """What the operator allows is allowed in every spelling, and nothing beside it."""
        for url in ("http://10.1.2.3/gun", "http://10.66051/gun", "http://[::ffff:10.1.2.3]/gun"):
            self.assertTrue(self.allowed(url, "10.0.0.0/8"), url)
            self.assertFalse(self.allowed(url, "192.168.0.0/16"), url)
        self.assertTrue(self.allowed("http://[fd00::7]/gun", "10.0.0.0/8", "fd00::/8"))
        self.assertFalse(self.allowed("http://[fd00::7]/gun", "10.0.0.0/8"))
        self.assertTrue(self.allowed("http://127.0.0.1/gun", "127.0.0.1"))

    def test_names(self) -> None:
        """
        C{localhost} is allowed with its address. Of other local names only the address tells, which is looked
        at when it is known.
        """
        self.assertTrue(self.allowed("http://localhost/gun", "127.0.0.0/8"))
        self.assertTrue(self.allowed("http://a.localhost/gun", "::1"))
        self.assertFalse(self.allowed("http://localhost/gun", "10.0.0.0/8"))
        for url in ("http://printer.local/gun", "http://redis/gun"):
            self.assertTrue(self.allowed(url, "10.0.0.0/8"), url)

    def test_addresses(self) -> None:
        """What a name has resolved to is looked at likewise; what is no address is not allowed."""
        rule = AllowRule(["10.0.0.0/8"])
        for address, allowed in (
            ("8.8.8.8", True),
            ("10.0.0.1", True),
            ("127.0.0.1", False),
            ("::1", False),
            ("fe80::1%eth0", False),
            ("::ffff:127.0.0.1", False),
            ("relay.example", False),
            ("", False),
        ):
            self.assertIs(rule.allows_address(address), allowed, address)

    def test_no_networks(self) -> None:
        """A network that is none is the operator's mistake."""
        for network in ("", "x", "10.0.0.0/33", "10.0.0.1/8", "localhost"):
            self.assertRaises(ValueError, AllowRule, [network])
