"""
The way of a message with a C{put}: judged by the firewall, merged, and passed on to whom it concerns.
"""

from __future__ import annotations

from functools import partial

import msgspec

from gunnet.counters import Counters
from gunnet.graph.answer import render_cells
from gunnet.graph.node import PutCell
from gunnet.mesh.askback import AskBack
from gunnet.mesh.checks import Checks
from gunnet.mesh.flood import Flood
from gunnet.mesh.forward import Forward
from gunnet.mesh.pace import Pace
from gunnet.mesh.peer import Peer
from gunnet.mesh.peers import Peers, read_told
from gunnet.mesh.plain import PlainSync
from gunnet.mesh.puts import BUSY, Puts
from gunnet.mesh.routes import Origin, OwnQuestion, Route, acks_wanted
from gunnet.sea.firewall import Judgement, Verdict
from gunnet.wire import jstext
from gunnet.wire.dup import Dup
from gunnet.wire.message import Message, answer_name, rewrite


class PutMessages:
    """Takes messages with a C{put} in. @ivar flooding: whether what is news goes to everybody."""

    def __init__(
        self,
        peers: Peers,
        puts: Puts,
        checks: Checks,
        pace: Pace,
        forward: Forward,
        flood: Flood,
        plain: PlainSync,
        ask_back: AskBack,
        dup: Dup[Route],
        counters: Counters,
        *,
        flooding: bool,
    ) -> None:
        self._peers = peers
        self._puts = puts
        self._checks = checks
        self._pace = pace
        self._forward = forward
        self._flood = flood
        self._plain = plain
        self._ask_back = ask_back
        self._dup = dup
        self._counters = counters
        self.flooding = flooding

    def hear(
        self, peer: Peer, message: Message, text: bytes, message_id: str, digest: str | None, now: float
    ) -> None:
        """
        Take a message.

        @param text: the message as it may be forwarded.
        @param digest: text of its C{##}.
        @param now: milliseconds since 1970.
        """
        origin = Origin(peer, message_id)
        origin.heard = now
        if message.ok:
            origin.acks = acks_wanted(bytes(message.ok))
        if peer.is_gunnet and message.told:
            origin.told = read_told(message.told)
        self._dup.remember(message_id, origin)
        put = bytes(message.put)
        cells = self._puts.read(origin, put, now)
        if cells is None:
            return
        if not self._checks.concern(cells):
            peer.signs = False
            self._pace.note_plain(now)
            if self._peers.trace is not None:
                self._puts.note(origin, "check", "nothing to judge")
            self._take(origin, message, text, digest, cells, put, now)
        elif self._checks.has_room:
            origin.checked = peer.signs = True
            self._pace.left -= 1
            if self._peers.trace is not None:
                self._puts.note(origin, "check", f"{len(cells)} properties to be judged")
            self._checks.judge(
                peer,
                message_id,
                cells,
                len(put),
                partial(self._judged, origin, message, text, digest, cells, put),
                now,
            )
        else:
            self._counters.count("unchecked_bytes_refused")
            self._puts.refuse(origin, [BUSY])

    def hear_again(self, peer: Peer, origin: Origin) -> None:
        """A put has come from one more relay, or over its other link, where an ack is waited for as well."""
        if origin.flooded:
            origin.echoes = {*(origin.echoes or ()), peer}
        is_same = peer.pid is not None and origin.peer.pid == peer.pid and origin.peer is not peer
        if is_same and origin.parts <= 0 and not origin.failed:
            text = b'{"#":"%b","@":%b,"ok":true}'
            self._peers.say(peer, text % (self._peers.new_id().encode(), jstext.string(origin.id)))

    def _judged(
        self,
        origin: Origin,
        message: Message,
        text: bytes,
        digest: str | None,
        cells: list[PutCell],
        put: bytes,
        verdicts: list[Verdict],
        now: float,
    ) -> None:
        """Go on with what may stand; what may not is told to its sender, each reason once."""
        allowed = [
            cell for cell, verdict in zip(cells, verdicts, strict=True) if verdict is Judgement.ALLOWED
        ]
        if self._peers.trace is not None:
            self._puts.note(origin, "check", f"{len(allowed)} of {len(cells)} properties may stand")
        if len(allowed) < len(cells):
            self._counters.count("cells_expired", sum([each is Judgement.EXPIRED for each in verdicts]))
            errors = [verdict for verdict in verdicts if isinstance(verdict, str)]
            if errors:
                self._counters.count("cells_refused", len(errors))
                self._puts.refuse(origin, list(dict.fromkeys(errors)))
            if Judgement.DROPPED in verdicts:
                self._counters.count("puts_dropped")
                self._puts.refuse(origin, [])
            if origin.refused and not allowed:
                return
            put = render_cells(allowed)
            message.put, digest = msgspec.Raw(put), None
            text = rewrite(text, {"put": put}, without=("##",))
        self._take(origin, message, text, digest, allowed, put, now)

    def _take(
        self,
        origin: Origin,
        message: Message,
        text: bytes,
        digest: str | None,
        cells: list[PutCell],
        put: bytes,
        now: float,
    ) -> None:
        peer = origin.peer
        route = None if message.re is None else self._dup.find(message.re)
        if self.flooding and (message.re is None or isinstance(route, OwnQuestion)):
            self._flood.begin(origin)
        if message.re is not None:
            if digest is not None:
                # What was refused is no answer: the true one, which has this hash, is still to be heard.
                self._dup.remember(answer_name(message, digest), peer)
            self._plain.hear(peer, message.re, put, now)
        askers = self._forward.askers(message, digest)
        knowing = self._forward.knowing(message, digest, askers)
        news = self._puts.serve(origin, cells, len(put), knowing, now)
        if origin.failed:
            return
        if origin.news_only is not None:
            text, origin.news_only = rewrite(text, {"put": origin.news_only}), None
        flooded = self._forward.put(
            origin, message, text, digest, askers, news is not None, now, flood=self.flooding
        )
        if news and origin.flooded and not (message.private or message.private_too):
            self._flood.mind(origin, news, flooded, read_told(message.told), now)
        if isinstance(route, OwnQuestion):
            self._ask_back.heard(peer, route, put, digest, now)
