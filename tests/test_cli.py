"""
Tests for the commands as processes: C{gunnet}, C{python -m gunnet} and C{twist gun}.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from urllib.error import URLError
from urllib.request import urlopen

from twisted.trial.unittest import SynchronousTestCase

import gunnet
from gunnet import cli
from gunnet.compiled import how

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(gunnet.__file__)))
GUNNET = [sys.executable, "-m", "gunnet"]
TWIST = [sys.executable, "-m", "twisted", "--log-format=text", "gun"]
COMMANDS = ([*GUNNET, "relay"], TWIST)
PATIENCE_SECONDS = 30.0


def environment() -> dict[str, str]:
    """Ours, without what a relay would heed."""
    heeded = {"PORT", "PEERS", "HTTPS_KEY", "HTTPS_CERT", "MULTICAST", "AXE", "RAD"}
    return {name: value for name, value in os.environ.items() if name not in heeded}


class CommandCase(SynchronousTestCase):
    """Runs commands."""

    def run_through(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one that ends by itself."""
        return subprocess.run(
            arguments, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=PATIENCE_SECONDS
        )

    def assertRefused(self, command: Sequence[str], *named: str) -> None:
        """It ends with one clear line on standard error, and a status that isn't 0."""
        done = self.run_through(*command)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertTrue(done.stderr.startswith("gunnet: "), done.stderr)
        self.assertNotIn("Usage", done.stdout + done.stderr)
        for text in named:
            self.assertIn(text, done.stderr)


class TalkTests(CommandCase):
    """Commands that only say something."""

    def test_help(self) -> None:
        """C{--help} lists the commands, and what each understands."""
        self.assertIn("relay", self.run_through(*GUNNET, "--help").stdout)
        for command in COMMANDS:
            done = self.run_through(*command, "--help")
            self.assertEqual(done.returncode, 0, done.stderr)
            for option in (
                "listen",
                "port",
                "host",
                "path",
                "peer",
                "data",
                "no-store",
                "no-axe",
                "no-multicast",
                "multicast",
                "multicast-interface",
                "multicast-ttl",
            ):
                self.assertIn(f"--{option}", done.stdout)
            for option in ("max-message", "max-data", "config", "gun-js", "tls-key", "tls-cert", "version"):
                self.assertIn(f"--{option}", done.stdout)

    def test_version(self) -> None:
        """C{--version} is ours everywhere."""
        told = f"gunnet {gunnet.__version__} ({how()})\n"
        for command in (GUNNET, *COMMANDS, *([*GUNNET, name] for name in cli.COMMANDS)):
            self.assertEqual(self.run_through(*command, "--version").stdout, told)

    def test_top_beside_a_relay(self) -> None:
        """C{top} looks into a folder that something else has open."""
        from gunnet.store.lmdb import LmdbStore

        path = os.path.abspath(self.mktemp())
        store = LmdbStore(path, 1 << 24)
        self.addCleanup(store.close)
        store.commit([("~x.y/a", "k", (1.0, b'"v"'))])
        done = self.run_through(*GUNNET, "top", "--data", path)
        self.assertEqual((0, ["10", "x.y"]), (done.returncode, done.stdout.split()), done.stderr)
        store.commit([("~x.y/b", "k", (1.0, b'"v"'))])
        self.assertEqual(["20", "x.y"], self.run_through(*GUNNET, "top", "--data", path).stdout.split())

    def test_unknown_command(self) -> None:
        """It is refused with status 2, and so is none at all."""
        self.assertRefused([*GUNNET, "frobnicate"], "'frobnicate'")
        self.assertEqual(self.run_through(*GUNNET, "frobnicate").returncode, 2)
        self.assertEqual(self.run_through(*GUNNET).returncode, 2)

    def test_bad_options(self) -> None:
        """Bad options are refused in one line."""
        for command in COMMANDS:
            self.assertRefused([*command, "--bogus"], "bogus")
            self.assertRefused([*command, "--port", "http"], "--port", "'http'")
            self.assertRefused([*command, "--config", "/nonexistent.toml"], "/nonexistent.toml")


class StartTests(CommandCase):
    """Relays that don't start, and one that does."""

    def test_taken_port(self) -> None:
        """A taken port ends the process."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            for command in COMMANDS:
                self.assertRefused(
                    [*command, "--no-store", "--host", "127.0.0.1", "--port", port], port, "in use"
                )

    def test_unreadable_folder(self) -> None:
        """So does a data folder that is none."""
        path = os.path.abspath(self.mktemp())
        with open(path, "w", encoding="utf-8"):
            pass
        for command in COMMANDS:
            self.assertRefused([*command, "--host", "127.0.0.1", "--port", "0", "--data", path], path)

    def test_start_and_stop(self) -> None:
        """It listens, is healthy, and is gone soon after it was told to."""
        for command, status in zip(COMMANDS, (0, -signal.SIGTERM), strict=True):
            self.start_and_stop(command, status)

    def start_and_stop(self, command: Sequence[str], status: int) -> None:
        """
        The promised second for the start and for the stop is for a machine that has nothing else to do (see
        docs); here it is only made sure that it is no matter of many.
        """
        data = os.path.abspath(self.mktemp())
        arguments = [*command, "--host", "127.0.0.1", "--port", "0", "--data", data, "--no-multicast"]
        begun = time.monotonic()
        process = subprocess.Popen(arguments, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            lines = []
            while not lines or "data in" not in lines[-1]:
                lines.append(process.stdout.readline())
                self.assertNotEqual(lines[-1], "", lines)
            [line] = [line for line in lines if "listening on" in line]
            url = line.split("listening on ")[1].strip().removesuffix("/gun")
            self.assertTrue(json.loads(self.fetch(url + "/healthz"))["ok"])
            self.assertLess(time.monotonic() - begun, 10)
            self.assertIn(data, lines[-1])
            told = time.monotonic()
            process.terminate()
            process.stdout.read()
            self.assertEqual(process.wait(PATIENCE_SECONDS), status)
            self.assertLess(time.monotonic() - told, 5)
        finally:
            process.kill()
            process.communicate()

    def fetch(self, url: str) -> bytes:
        """Get it, as soon as the relay answers."""
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                with urlopen(url, timeout=PATIENCE_SECONDS) as answer:
                    return bytes(answer.read())
            except (URLError, ConnectionError):
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
