"""
The way of a message with a C{put}: merged, and passed on to whom it concerns.
"""

from __future__ import annotations

from gunnet.mesh.askback import AskBack
from gunnet.mesh.flood import Flood
from gunnet.mesh.forward import Forward
from gunnet.mesh.peer import Peer
from gunnet.mesh.peers import Peers, read_told
from gunnet.mesh.plain import PlainSync
from gunnet.mesh.puts import Puts
from gunnet.mesh.routes import Origin, OwnQuestion, Route, acks_wanted
from gunnet.wire.dup import Dup
from gunnet.wire.message import Message, rewrite


class PutMessages:
    """Takes messages with a C{put} in. @ivar flooding: whether what is news goes to everybody."""

    def __init__(
        self,
        peers: Peers,
        puts: Puts,
        forward: Forward,
        flood: Flood,
        plain: PlainSync,
        ask_back: AskBack,
        dup: Dup[Route],
        *,
        flooding: bool,
    ) -> None:
        self._peers = peers
        self._puts = puts
        self._forward = forward
        self._flood = flood
        self._plain = plain
        self._ask_back = ask_back
        self._dup = dup
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
        if message.ok:
            origin.acks = acks_wanted(bytes(message.ok))
        if peer.is_gunnet and message.told:
            origin.told = read_told(message.told)
        self._dup.remember(message_id, origin)
        route = None if message.re is None else self._dup.find(message.re)
        if self.flooding:
            origin.flooded = message.re is None or isinstance(route, OwnQuestion)
            origin.joined = self._peers.joined
        put = bytes(message.put)
        if message.re is not None:
            self._plain.hear(peer, message.re, put, now)
        askers = self._forward.askers(message, digest)
        news = self._puts.serve(origin, put, self._forward.knowing(message, digest, askers), now)
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
