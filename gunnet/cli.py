"""
The console command C{gunnet}, for those whose installer hides C{twist} (pipx does), and for what else there
is to do with a graph.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from gunnet import __version__
from gunnet.compiled import how


def relay(arguments: Sequence[str]) -> int:
    """Run a relay: the options of C{twist gun}, and the log as text."""
    from twisted.python.usage import UsageError

    from gunnet.tap import Options, run

    options = Options()
    options.synopsis = "Usage: gunnet relay [options]"
    try:
        options.parseOptions(arguments)
    except UsageError as e:
        return _complain(str(e))
    run(options)


def simulate(arguments: Sequence[str]) -> int:
    """Run simulated meshes, and tell which seeds fail."""
    from twisted.python.usage import UsageError

    from gunnet.simulate.command import main as run_seeds

    try:
        return run_seeds(arguments)
    except UsageError as e:
        return _complain(str(e))


def sync(arguments: Sequence[str]) -> int:
    """Make the graph in a data folder and that of a relay one."""
    from twisted.python.usage import UsageError

    from gunnet import settings, tap
    from gunnet.store.interface import StoreError, StoreInUse
    from gunnet.sync_command import Options
    from gunnet.tls.outgoing import Trust

    options = Options()
    relay_options = tap.Options()
    try:
        options.parseOptions(arguments)
        relay_options.update({name: options[name] for name in ("data", "max-data", "config", "tls-ca")})
        chosen = tap.settings_from(relay_options, os.environ)
        if chosen.data is None:
            raise settings.SettingsError("without a store there is nothing to compare")
        trust = Trust(chosen.tls.authorities)
    except (UsageError, settings.SettingsError) as e:
        return _complain(str(e))
    from random import SystemRandom

    from gunnet.service import open_store
    from gunnet.sync_command import Comparing, run
    from gunnet.transport.dialer import endpoint_of

    try:
        store = open_store(chosen)
    except StoreInUse as e:
        return _complain(f"{e}, which compares itself with the relays that it is linked to", 1)
    except StoreError as e:
        return _complain(str(e), 1)
    error = run(
        lambda reactor: Comparing(
            store,
            options["url"],
            reactor,
            SystemRandom(),
            limits=chosen.limits,
            endpoint=endpoint_of(options["url"], reactor, trust),
        ),
        options["timeout"],
    )
    return 0 if error is None else _complain(error, 1)


def top(arguments: Sequence[str]) -> int:
    """List who keeps most."""
    from twisted.python.usage import UsageError

    from gunnet import settings, tap, top_command
    from gunnet.store.interface import StoreError

    options = top_command.Options()
    relay_options = tap.Options()
    try:
        options.parseOptions(arguments)
        relay_options.update({name: options[name] for name in ("data", "config")})
        chosen = tap.settings_from(relay_options, os.environ)
        if chosen.data is None:
            raise settings.SettingsError("without a store there is nothing to look at")
        print("\n".join(top_command.top(chosen.data, options["count"], chosen.limits)))
    except (UsageError, settings.SettingsError) as e:
        return _complain(str(e))
    except StoreError as e:
        return _complain(str(e), 1)
    return 0


def bench(arguments: Sequence[str]) -> int:
    """Put load on a relay, and tell what became of it."""
    from twisted.python.usage import UsageError

    from gunnet.bench.command import main as run_bench

    try:
        return run_bench(arguments)
    except UsageError as e:
        return _complain(str(e))


def trace(arguments: Sequence[str]) -> int:
    """Tell the way of one message through a relay that runs."""
    from twisted.python.usage import UsageError

    from gunnet.seeing import trace_command

    options = trace_command.Options()
    try:
        options.parseOptions(arguments)
        print(trace_command.trace(options))
    except UsageError as e:
        return _complain(str(e))
    except trace_command.NoTrace as e:
        return _complain(str(e), 1)
    return 0


COMMANDS: dict[str, tuple[Callable[[Sequence[str]], int], str]] = {
    "relay": (relay, "run a relay"),
    "sync": (sync, "make the graph in a data folder and that of a relay one"),
    "top": (top, "list the users that keep most in a data folder"),
    "trace": (trace, "tell the way of one message through a relay that runs"),
    "bench": (bench, "measure how much a relay does, and how fast"),
    "simulate": (simulate, "run simulated meshes from seeds"),
}
"""Every command by its name: what carries it out (giving the exit status), and a line for C{--help}."""


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run one command.

    @param arguments: without the program's name; L{None} for those of the process.
    @return: the exit status.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    name = arguments[0] if arguments else "--help"
    if name in ("--help", "-h", "help"):
        print(_usage())
        return 0 if arguments else 2
    if name == "--version":
        print(f"gunnet {__version__} ({how()})")
        return 0
    if name not in COMMANDS:
        return _complain(f"there is no command {name!r}; gunnet --help lists them")
    return COMMANDS[name][0](arguments[1:])


def _usage() -> str:
    lines = [f"  {name:<10}{about}" for name, (_, about) in COMMANDS.items()]
    return "\n".join(
        [
            "Usage: gunnet COMMAND [options]",
            "",
            *lines,
            "",
            "gunnet COMMAND --help tells more of each; gunnet --version prints the version.",
        ]
    )


def _complain(why: str, status: int = 2) -> int:
    print(f"gunnet: {' '.join(why.split())}", file=sys.stderr)
    return status
