"""
What relays tell each other of other relays: whom to tell what, and whom to link to because of it.

Told URLs come in three ways: in C{relay} between gunnet relays, in gun.js's C{opt} (C{lib/axe.js}: "link to
this one"), and in gun.js's C{mob} ("I am full, go there"). What is done with them is for the operator to say;
by default nothing told is dialled, since whoever may send a URL could have the relay connect to
any place (L{gunnet.mesh.urls}).

A relay that was told is linked to on trial: if its link does not come about, or does not last, another takes
its place, and it rests for a while that grows each time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Literal

from gunnet.counters import Counters
from gunnet.limits import Limits
from gunnet.mesh.peer import Peer
from gunnet.mesh.peers import Peers
from gunnet.mesh.urls import AllowRule, RelayURL, read_url
from gunnet.wire.jstext import stringify

if TYPE_CHECKING:
    from random import Random

Policy = Literal["off", "peers", "all"]
"""Whose URLs are dialled: nobody's; those that relays tell which this one has dialled; everybody's."""

TRIAL_MS = 120_000.0
"""How long a told relay may be without a link that lasts."""

STEADY_MS = 60_000.0
"""A link that lasted so long is one that lasts."""

REST_MS = 600_000.0
REST_MS_MAX = 86_400_000.0
"""How long a relay is left alone whose trial failed: this, and twice as long each time, up to that."""


class Told:
    """
    A relay that others told of.

    @ivar url: in the one form of L{read_url}.
    @ivar trusted: whether a relay told of it that this one has dialled, not only a stranger.
    @ivar own: whether it is this relay itself.
    @ivar dialled: whether it was ever dialled because of that.
    @ivar rest_ms: how long it rested last.
    @ivar rest_until: until when it is left alone, milliseconds.
    """

    __slots__ = ("dialled", "own", "rest_ms", "rest_until", "trusted", "url")

    def __init__(self, url: RelayURL, trusted: bool) -> None:
        self.url = url
        self.trusted = trusted
        self.own = self.dialled = False
        self.rest_ms = 0.0
        self.rest_until = 0.0


class Trial:
    """
    A link to a told relay.

    @ivar since: since when there is no link that lasts, milliseconds.
    @ivar up_since: since when the link is up; L{None} while it is not.
    """

    __slots__ = ("since", "told", "up_since")

    def __init__(self, told: Told, now: float) -> None:
        self.told = told
        self.since = now
        self.up_since: float | None = None


class Gossip:
    """
    The relays that others told of.

    @ivar dial: URLs to be linked to from now on, guarded. Whoever carries that out empties it.
    @ivar hang_up: URLs of those that are not to be linked to any more. Likewise.
    @ivar busy: URLs of dialled relays that said that they are full: not to be dialled again soon. Likewise.
    """

    def __init__(
        self,
        peers: Peers,
        limits: Limits,
        counters: Counters,
        random: Random,
        *,
        policy: Policy = "off",
        allowed: AllowRule | None = None,
    ) -> None:
        """
        @param random: for the choice among those that were told: if all relays took the first ones, these
            would be full.
        """
        self._peers = peers
        self._limits = limits
        self._counters = counters
        self._random = random
        self._policy = policy
        self._allowed = allowed or AllowRule()
        self._told: dict[str, Told] = {}
        self._strangers: dict[str, Told] = {}
        self._trials: dict[str, Trial] = {}
        self._fresh = False
        self._rested_at: float | None = None
        self.dial: list[str] = []
        self.hang_up: list[str] = []
        self.busy: list[str] = []

    def __len__(self) -> int:
        return len(self._told) + len(self._strangers)

    # Hearing

    def hear(self, urls: object, peer: Peer) -> bool:
        """
        Take URLs that C{peer} told in C{relay}.

        @param urls: any JSON value: a URL, an array of them, or an object that has them as keys.
        @return: whether others may be told more than before.
        """
        before = len(self._told)
        for url in self._read(urls):
            self._add(url, self._peers.group.trusts(peer))
        return len(self._told) != before

    def hear_opt(self, opt: object, peer: Peer, now: float) -> bool:
        """
        Take gun.js's C{opt} message: C{peer} wants this relay to be linked to others.

        @param opt: the field C{opt}.
        @return: whether it is, or will now be dialled; only then it may be answered with C{ok}.
        """
        urls = opt.get("peers") if isinstance(opt, dict) else None
        obeyed = False
        trusted = self._peers.group.trusts(peer)
        if self._obeys(trusted):
            dialled = self._upstream_urls()
            for url in self._read(urls):
                told = self._add(url, trusted)
                if told is not None and self._may_try(told, dialled, now) and self._has_room():
                    self._try(told, now)
                obeyed = obeyed or url.text in self._trials or url.text in dialled
        self._counters.count("opts_obeyed" if obeyed else "opts_refused")
        return obeyed

    def hear_mob(self, urls: object, peer: Peer, now: float) -> bool:
        """
        Take gun.js's C{mob} message: C{peer} is full, and names others. A client would leave it and go
        there; a relay keeps its links, and only remembers what it was told.

        @param urls: the field C{peers}.
        @return: whether others may be told more than before.
        """
        self._counters.count("mobs_heard")
        if peer.url is not None:
            self.busy.append(peer.url)
            if peer.url in self._trials:
                self._give_up(peer.url, now)
        return self.hear(urls, peer)

    def own(self, url: str) -> None:
        """The relay at C{url}, which was dialled, turned out to be this one itself."""
        told = (
            None if (found := read_url(url, self._limits.url_characters)) is None else self._find(found.text)
        )
        if told is not None:
            told.own = True
            if self._trials.pop(told.url.text, None) is not None:
                self.hang_up.append(told.url.text)
                self._fresh = True

    def _read(self, urls: object) -> list[RelayURL]:
        """The URLs in a JSON value that may be dialled, as many as one message may have."""
        values: Iterable[object] = urls if isinstance(urls, (list, dict)) else [urls]
        if urls is None:
            return []
        limit = self._limits.gossip_message_urls
        if isinstance(urls, (list, dict)) and len(urls) > limit:
            self._counters.count("gossip_message_urls_exceeded", len(urls) - limit)
        found = []
        for value in islice(values, limit):
            url = read_url(value, self._limits.url_characters)
            if url is None:
                self._counters.count("gossip_urls_bad")
            elif not self._allowed.allows_host(url.host):
                self._counters.count("gossip_urls_private")
            else:
                found.append(url)
        return found

    def _obeys(self, trusted: bool) -> bool:
        return self._policy == "all" or (self._policy == "peers" and trusted)

    def _add(self, url: RelayURL, trusted: bool) -> Told | None:
        """Keep a URL. Those of strangers are kept only if they may be dialled, and leave first."""
        known = self._find(url.text)
        if known is not None:
            if trusted and not known.trusted:
                known.trusted = True
                self._told[url.text] = self._strangers.pop(url.text)
            return known
        if not trusted and not self._obeys(trusted):
            self._counters.count("gossip_strangers_ignored")
            return None
        if len(self) >= self._limits.gossip_urls and not self._make_room(trusted):
            return None
        told = Told(url, trusted)
        (self._told if trusted else self._strangers)[url.text] = told
        self._fresh = True
        return told

    def _make_room(self, trusted: bool) -> bool:
        self._counters.count("gossip_urls_exceeded")
        for table in (self._strangers, self._told) if trusted else (self._strangers,):
            oldest = next((url for url in table if url not in self._trials), None)
            if oldest is not None:
                del table[oldest]
                return True
        return False

    def _find(self, url: str) -> Told | None:
        return self._told.get(url) or self._strangers.get(url)

    # Telling

    def urls_for(self, peer: Peer) -> list[str]:
        """
        What C{peer} is told of other relays: first those that this one is linked to, then those that it heard
        of from them, in an order that does not change.
        """
        same = [each.url for each in (peer, peer.twin) if each is not None and each.url is not None]
        own = {url.text for url in map(self._public, same) if url is not None}
        found = dict.fromkeys(url for url, _ in self._linked())
        found |= dict.fromkeys(url for url, told in self._told.items() if not told.rest_ms)
        return list(islice((url for url in found if url not in own), self._limits.gossip_message_urls))

    def mob(self) -> bytes | None:
        """
        The message for a client that this relay has no room for: whom to go to instead. Relays that said that
        they are full are not named: two of them would send the client to and fro.

        @return: JSON text; L{None} if there is nobody to go to.
        """
        urls = (url for url, peer in self._linked() if not peer.full)
        named: dict[str, object] = {url: {} for url in islice(urls, self._limits.gossip_message_urls)}
        if not named:
            return None
        self._counters.count("mobs_sent")
        return stringify({"#": self._peers.new_id(), "dam": "mob", "mob": self._peers.near, "peers": named})

    def _linked(self) -> Iterator[tuple[str, Peer]]:
        """The relays above that are up and have greeted, whose URL others may know."""
        for upstream in self._peers.upstreams.values():
            peer = upstream if upstream.up else upstream.twin
            if peer is not None and peer.up and peer.pid is not None and upstream.url is not None:
                url = self._public(upstream.url)
                if url is not None:
                    yield url.text, peer

    def _public(self, text: str) -> RelayURL | None:
        url = read_url(text, self._limits.url_characters)
        return url if url is not None and self._allowed.allows_host(url.host) else None

    # Linking

    def run(self, now: float) -> None:
        """Look how the links on trial do, and begin others where there is room: to be called each turn."""
        if self._policy == "off":
            return
        for url, trial in list(self._trials.items()):
            self._watch(url, trial, now)
        rested = self._rested_at is not None and self._rested_at <= now
        if (self._fresh or rested) and self._has_room():
            self._fill(now)

    @property
    def next_at(self) -> float | None:
        """When L{run} is to be called at the latest, in milliseconds."""
        times = [trial.since + TRIAL_MS for trial in self._trials.values() if trial.up_since is None]
        if self._rested_at is not None and self._has_room():
            times.append(self._rested_at)
        return min(times, default=None)

    def _has_room(self) -> bool:
        return len(self._trials) < self._limits.gossip_links

    def _watch(self, url: str, trial: Trial, now: float) -> None:
        upstream = self._peers.upstreams.get(url)
        peer = upstream if upstream is None or upstream.up else upstream.twin
        if peer is not None and peer.up:
            if trial.up_since is None:
                trial.up_since = now
            return
        if trial.up_since is not None:
            if now - trial.up_since >= STEADY_MS:
                trial.since = now
                trial.told.rest_ms = 0.0
            trial.up_since = None
        if now - trial.since >= TRIAL_MS:
            self._give_up(url, now)

    def _give_up(self, url: str, now: float) -> None:
        told = self._trials.pop(url).told
        told.rest_ms = min(max(REST_MS, told.rest_ms * 2), REST_MS_MAX)
        told.rest_until = now + told.rest_ms
        self._counters.count("gossip_links_given_up")
        self.hang_up.append(url)
        self._fresh = True

    def _fill(self, now: float) -> None:
        self._fresh = False
        dialled = self._upstream_urls()
        every = [told for table in (self._told, self._strangers) for told in table.values()]
        ready = [told for told in every if self._may_try(told, dialled, now)]
        room = self._limits.gossip_links - len(self._trials)
        for told in self._random.sample(ready, min(room, len(ready))):
            self._try(told, now)
        resting = [told.rest_until for told in every if told.rest_until > now]
        self._rested_at = min(resting, default=None)

    def _may_try(self, told: Told, dialled: set[str], now: float) -> bool:
        url = told.url.text
        if told.own or told.rest_until > now or url in self._trials or not self._obeys(told.trusted):
            return False
        return told.dialled or url not in dialled

    def _try(self, told: Told, now: float) -> None:
        told.dialled = True
        self._trials[told.url.text] = Trial(told, now)
        self._counters.count("gossip_links_tried")
        self.dial.append(told.url.text)

    def _upstream_urls(self) -> set[str]:
        found = (read_url(url, self._limits.url_characters) for url in self._peers.upstreams)
        return {url.text for url in found if url is not None}
