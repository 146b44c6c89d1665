"""
Compiles the hot modules into the wheel, where that can be done (docs/performance.md, Compiling). All else
about the package is in setup.cfg.

C{GUNNET_COMPILE=0} leaves it at pure Python, C{GUNNET_COMPILE=1} fails if it can't be compiled. Without
either it is compiled if there are a C compiler and Python's headers, and pure Python if anything goes wrong.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tempfile
from typing import Any

from setuptools import setup
from setuptools.command.build_ext import build_ext

HOT = {
    "gunnet": "counters limits",
    "gunnet/wire": "dup ids jstext message",
    "gunnet/graph": "answer cache deferred expiry ham lex merge node",
    "gunnet/mesh": (
        "askback axe behind checks commits flood forward gets group hashes heard inboxes interest outbox pace"
        " peers put_messages puts questions relay routes subscriptions turn unacked wanted"
    ),
    "gunnet/store": "records",
    "gunnet/transport": "text_frames",
    "gunnet/bench": "fanout frames latencies tally",
}
"""
What each put and each get goes through. Calls from one of them to another are cheap, so one that is left out
costs the others too. Not what msgspec or Automat make classes of (C{wire/envelope}, C{mesh/peer} and others).
"""

MYPY = "mypy >= 2.4, < 3"
WISH = os.environ.get("GUNNET_COMPILE", "")
_PROBE = "#include <Python.h>\nint main(void) { return PY_MAJOR_VERSION - 3; }\n"


def can_compile() -> bool:
    """Whether a C compiler is there, and finds Python's headers."""
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "").split()
    if not compiler:
        return False
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "probe.c")
        with open(source, "w", encoding="ascii") as file:
            file.write(_PROBE)
        include = "-I" + sysconfig.get_path("include")
        try:
            command = [*compiler, include, "-c", source, "-o", source + ".o"]
            return subprocess.run(command, capture_output=True, timeout=60).returncode == 0
        except (OSError, subprocess.SubprocessError):
            return False


def extensions() -> list[Any]:
    """The hot modules for a wheel; none while the build is only asked about, and none for an editable one."""
    if not WANTED or "bdist_wheel" not in sys.argv:
        return []
    try:
        from mypyc.build import mypycify

        files = [f"{folder}/{name}.py" for folder, names in HOT.items() for name in names.split()]
        # Nothing but setuptools and mypy is installed where a wheel is built; setup.cfg has the strict check.
        options = ["--config-file=", "--ignore-missing-imports", "--follow-imports=silent"]
        # At level 3 gcc takes twice as long, for code that is as fast.
        return list(mypycify([*options, *files], opt_level="1", group_name="gunnet"))
    except (Exception, SystemExit) as error:
        give_up(error)
        return []


def give_up(error: BaseException) -> None:
    """Go on without: pure Python does the same."""
    if WISH == "1":
        raise error
    print(f"gunnet: not compiled, pure Python instead: {error}", file=sys.stderr)


class BuildExtensions(build_ext):
    """All of them or none: one half would not find the other."""

    def run(self) -> None:
        """Compile."""
        try:
            super().run()
        except Exception as error:
            give_up(error)
            for path in self.get_outputs():
                if os.path.exists(path):
                    os.remove(path)
            self.extensions = []


WANTED = WISH != "0" and (WISH == "1" or can_compile())

if __name__ == "__main__":
    setup(
        setup_requires=[MYPY] if WANTED else [],
        ext_modules=extensions(),
        cmdclass={"build_ext": BuildExtensions},
    )
