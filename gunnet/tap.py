"""
The command line of the relay, for C{twist gun} and C{gunnet relay}: options, environment, configuration file.

This and L{gunnet.cli} are the only modules that know the reactor of the process.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from random import SystemRandom
from typing import Any, NoReturn

from twisted.application.service import IService, MultiService
from twisted.internet.endpoints import quoteStringArgument
from twisted.python.usage import UsageError

from gunnet import __version__, settings
from gunnet.access.options import AccessOptions, access_of, limits_of
from gunnet.access.wanted import Access
from gunnet.compiled import how
from gunnet.front.options import FrontOptions, front_of
from gunnet.limits import Limits
from gunnet.rtc import options as rtc
from gunnet.rtc.wanted import Rtc
from gunnet.seeing import options as seeing
from gunnet.seeing.logs import observer
from gunnet.seeing.wanted import Seeing
from gunnet.sources import Values, from_environment, from_file, from_options, lists
from gunnet.tls.options import ACME, TlsOptions
from gunnet.tls.options import GROUP as TLS
from gunnet.tls.wanted import HTTP_PORT, Acme, Tls

GROUP = f"{settings.Multicast.group}:{settings.Multicast.port}"

_SECURE = ("tls-key", "tls-cert", "acme-domain")
"""With any of these a relay listens with TLS."""

COLLECT_AFTER = (20_000, 20, 50)
"""For C{gc.set_threshold}: (new objects, collections of these, collections of those)."""


class Options(AccessOptions, rtc.RtcOptions, TlsOptions, FrontOptions, seeing.SeeingOptions):
    """What C{twist gun} and C{gunnet relay} understand."""

    synopsis = "[options]"
    longdesc = (
        "Runs a GUN relay. The same names may stand in a TOML file (--config), and the environment variables "
        "that GUN deployments use are understood: PORT, PEERS (with commas), PEERS_FROM, HTTPS_KEY, "
        "HTTPS_CERT, MULTICAST=false, AXE=false, RAD=false (no store). The command line goes before the "
        "environment, that before the file. Sizes are bytes, or like 64K, 10M, 2G. Options on who may use "
        "the relay, on TLS, proxies, WebRTC, metrics and logs are variables too: GUNNET_ALLOW_PUB for "
        "--allow-pub."
    )
    optParameters = [
        ["port", "p", None, f"Port to listen on [default: {settings.PORT}; with TLS {settings.TLS_PORT}]"],
        ["host", None, None, "Address to listen on [default: all]"],
        ["path", None, None, f"Path of the WebSocket [default: {settings.PATH}]"],
        ["peers-from", None, None, "URL (https) of a list of relays to be linked to"],
        [
            "gossip",
            None,
            None,
            "Dial relays that others tell of: off, peers (those we dial), all [default: off]",
        ],
        ["max-peers", None, None, f"Most links at one time [default: {Limits().peers}]"],
        ["data", None, None, f"Folder for the data [default: ./{settings.DATA}]"],
        ["max-message", None, None, f"Largest message [default: {Limits().message_bytes >> 20}M]"],
        ["multicast", None, None, f"Group on the local network to find peers in [default: {GROUP}]"],
        ["multicast-ttl", None, None, "How many networks that crosses [default: 1]"],
        ["max-data", None, None, f"Largest data folder [default: {settings.DATA_BYTES_MAX >> 30}G]"],
        ["gun-js", None, None, "Folder of the npm package gun, to serve /gun.js, /gun/sea.js …"],
        ["config", None, None, "TOML file with these options"],
    ]
    optFlags = [
        ["no-store", None, "Keep the graph in memory only"],
        ["no-axe", None, "Send everything to everyone, not only to subscribers"],
        ["no-sync", None, "Don't compare the whole graph with other relays"],
        ["no-multicast", None, "Don't look for peers on the local network"],
    ]

    def __init__(self) -> None:
        super().__init__()
        for name in lists():
            self[name] = []

    def opt_listen(self, endpoint: str) -> None:
        """Twisted server endpoint to listen on, like tcp:8765 (may be repeated)"""
        self["listen"].append(endpoint)

    def opt_peer(self, url: str) -> None:
        """URL of another relay to be linked to (may be repeated)"""
        self["peer"].append(url)

    def opt_gossip_allow(self, network: str) -> None:
        """Network, like 10.0.0.0/8, in which listed and told relays may be (may be repeated)"""
        self["gossip-allow"].append(network)

    def opt_multicast_interface(self, interface: str) -> None:
        """Name or address of an interface to find peers on (may be repeated)"""
        self["multicast-interface"].append(interface)

    def opt_version(self) -> NoReturn:
        """Print the version and exit"""
        print(f"gunnet {__version__} ({how()})")
        raise SystemExit(0)

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """
        Take the command line.

        @raise UsageError: there is a mistake in it.
        @raise SystemExit: the same, under C{twist}, which would print all of its usage in front of it.
        """
        try:
            super().parseOptions(options)
            self.settings = settings_from(self, os.environ)
            if getattr(self, "parent", None) is not None:
                seeing.refuse_logging(self.settings.seeing)
        except (UsageError, settings.SettingsError) as e:
            if getattr(self, "parent", None) is not None:
                refuse(e, 2)
            raise UsageError(str(e)) from e


def refuse(why: object, status: int) -> NoReturn:
    """End the process with one line."""
    print(f"gunnet: {' '.join(str(why).split())}", file=sys.stderr)
    raise SystemExit(status)


def settings_from(options: Mapping[str, Any], environment: Mapping[str, str]) -> settings.Settings:
    """
    Put together what the sources say.

    @param options: the command line.
    @raise SettingsError: one clear line on what is wrong in which of them.
    """
    sources = [from_options(options), from_environment(environment)]
    if options["config"] is not None:
        sources.append(from_file(options["config"]))
    said: Values = {}
    for source in reversed(sources):
        said.update(source)
    known = {
        "path": "path",
        "axe": "axe",
        "sync": "sync",
        "data": "data",
        "max-data": "data_bytes_max",
        "peers-from": "peers_from",
        "gossip": "gossip",
        "gossip-allow": "gossip_allow",
        "gun-js": "gun_js",
    }
    fields: Values = {field: said[name] for name, field in known.items() if name in said}
    if not said.get("store", True):
        fields["data"] = None
    fields["access"] = access_of(said)
    fields["multicast"] = _multicast(said, fields["access"])
    fields["rtc"] = Rtc(**rtc.GROUP.chosen(said))
    fields["front"] = front_of(said, lambda port: _tcp(port, said))
    fields["seeing"] = Seeing(**seeing.GROUP.chosen(said))
    fields["tls"] = Tls(**TLS.chosen(said))
    fields["acme"] = _acme(said)
    fields["limits"] = _limits(said)
    fields["peers"] = tuple(dict.fromkeys(said.get("peer", ())))
    return settings.Settings(listen=_listen(sources, not said.keys().isdisjoint(_SECURE)), **fields)


def _multicast(said: Values, access: Access) -> settings.Multicast | None:
    """As GUN has it, it is on; but where links need a token, only if it is asked for, which is refused."""
    if not said.get("multicast-on", not access.needs_token):
        return None
    group, port = said.get("multicast", (settings.Multicast.group, settings.Multicast.port))
    return settings.Multicast(group, port, said.get("multicast-interface", ()), said.get("multicast-ttl", 1))


def _acme(said: Values) -> Acme:
    chosen = ACME.chosen(said)
    if chosen:
        chosen["http"] = _tcp(chosen.get("http", HTTP_PORT), said)
    return Acme(**chosen)


def _limits(said: Values) -> Limits:
    bounds: Values = limits_of(said) | rtc.GROUP.chosen_limits(said)
    if "max-message" in said:
        bounds["message_bytes"] = said["max-message"]
        bounds["frame_bytes"] = max(Limits().frame_bytes, said["max-message"])
    if "max-peers" in said:
        bounds["peers"] = said["max-peers"]
    return Limits(**bounds)


def _listen(sources: Sequence[Values], secure: bool) -> tuple[str, ...]:
    """
    What to listen on: the first source that says anything about it decides. C{listen} and C{port} of one
    source add up.
    """
    chosen: Values = next((source for source in sources if source.keys() & {"listen", "port", "host"}), {})
    endpoints = list(chosen.get("listen", ()))
    if chosen and not endpoints and not chosen.keys() & {"port", "host"}:
        # Of no use to a process that is a relay and nothing else.
        raise settings.SettingsError("nothing to listen on")
    if not endpoints or "port" in chosen:
        said: Values = {}
        for source in reversed(sources):
            said.update(source)
        port = said.get("port", settings.TLS_PORT if secure else settings.PORT)
        endpoints.append(_tcp(port, said))
    return tuple(dict.fromkeys(endpoints))


def _tcp(port: int, said: Values) -> str:
    """The endpoint string for a port, at the host that was said, or else everywhere."""
    host = said.get("host", "::" if _both_protocols() else "")
    interface = f":interface={quoteStringArgument(host)}" if host else ""
    return f"tcp:{port}{interface}"


def _both_protocols() -> bool:
    """Whether a socket on C{::} accepts IPv4 as well."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::", 0))
            return not probe.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
    except (OSError, AttributeError):
        return False


def makeService(options: Options, reactor: Any = None) -> IService:
    """
    The relay that the options ask for.

    Under C{twist}, a relay that can't start ends the process with one line; otherwise C{startService} raises.
    """
    if reactor is None:
        from twisted.internet import reactor
    from gunnet.service import RelayService  # Autobahn takes its time to load, which --help need not wait for

    relay = RelayService(options.settings, reactor, SystemRandom())
    if getattr(options, "parent", None) is None:
        return relay
    service = CommandLineService()
    relay.setServiceParent(service)
    return service


class CommandLineService(MultiService):
    """Around a relay that is the whole of its process."""

    def startService(self) -> None:
        """
        Start it.

        @raise SystemExit: it can't; why is on standard error.
        """
        try:
            super().startService()
        except Exception as e:
            reason = expected(e)
            if reason is None:
                raise
            refuse(reason, 1)
        for relay in self:
            speaks_tls = any(listener.secure for listener in relay.listeners)
            if speaks_tls and hasattr(signal, "SIGHUP"):
                signal.signal(signal.SIGHUP, lambda *_, relay=relay: relay.reload())
        collect_less()


def collect_less() -> None:
    """
    Have Python look for garbage less often: by default it does so after 700 new objects, and a relay has a
    million that live for seconds, which is what a third of its time went to. Nearly all of them go without
    its help. What is there by now, code for the most part, stays and is not looked at any more.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


def expected(error: Exception) -> str | None:
    """One line for an error that the operator can do something about; L{None} for one that is our mistake."""
    from twisted.internet.error import CannotListenError

    from gunnet.store.interface import StoreError

    if isinstance(error, CannotListenError):
        why = getattr(error.socketError, "strerror", None) or error.socketError
        return f"can't listen on {error.interface or '*'}:{error.port}: {why}"
    if isinstance(error, (StoreError, settings.SettingsError)):
        return str(error)
    return None


def run(options: Options) -> NoReturn:
    """Run a relay in this process until it is told to stop, and end the process."""
    from twisted.internet import reactor
    from twisted.logger import globalLogBeginner

    globalLogBeginner.beginLoggingTo(
        [observer(options.settings.seeing, sys.stdout)],
        redirectStandardIO=False,  # a relay that does not start says why on standard error
    )
    service = CommandLineService()
    service.addService(makeService(options, reactor))
    service.startService()
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    reactor.run()
    sys.stdout.flush()
    # All is closed; to take a large heap apart as well would only keep the port's next owner waiting.
    os._exit(0)
