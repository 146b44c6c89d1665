"""
A client as a page with gun.js is one, light enough for tens of thousands.

It keeps its graph in memory by HAM. A get subscribes it for the life of its link. When a lost link is back it
asks again for what it was subscribed to, as gun.js C{src/mesh.js} does (C{hi}): whole nodes plainly,
properties with the hash of the raw value. What it wrote meanwhile it does I{not} send again. It answers gets
from its memory, and says C{hi} when it boots and never again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from gunnet.graph.answer import in_order, render
from gunnet.simulate.clock import VirtualClock
from gunnet.simulate.links import End
from gunnet.simulate.model import Graph
from gunnet.simulate.network import Network
from gunnet.wire import jstext

REDIAL_SECONDS = 1.998
"""How long after a loss gun.js dials again."""

DUP_SECONDS = 9.0

CHUNK_NAMES = 9
"""A node is answered so many names at a time; its C{_} is one of them."""

Message = dict[str, Any]
Written = tuple[str, str, float, bytes]
"""(soul, key, state, JSON text)."""


class Client:
    """
    One client.

    @ivar name: for traces.
    @ivar url: the relay that it dials.
    @ivar graph: what it knows.
    @ivar wanted: the (soul, key) it has asked for, in order; L{None} as key is the whole node, and C{bytes}
        are a LEX with its budget, as JSON text.
    @ivar link: its link, while there is one.
    @ivar acked: for each of its puts that was acknowledged: when (in ticks), by the relay at which url, and
        what was in it.
    @ivar unacked: its puts that were sent and not acknowledged, by id.
    @ivar errors: what it was told was wrong.
    @ivar drift: by how many milliseconds its clock is ahead.
    @ivar keeps: whether it stores what it hears, and says so, as a browser with C{localStorage} does.
    @ivar returns: whether it dials again whenever its link is lost; gun.js itself does so once.
    """

    __slots__ = (
        *("_attempt", "_booted", "_clock", "_dup", "_dup_old", "_dup_turn", "_gone", "_lossless", "_network"),
        *("_queue", "_random", "acked", "drift", "errors", "graph", "keeps", "link", "name", "pid"),
        *("reads", "returns", "unacked", "url", "wanted"),
    )

    def __init__(
        self,
        name: str,
        url: str,
        network: Network,
        random: Random,
        *,
        drift: float = 0.0,
        keeps: bool = False,
        returns: bool = True,
    ) -> None:
        """
        @param random: for its ids.
        """
        self.name = name
        self.url = url
        self.graph = Graph()
        self.wanted: dict[tuple[str, str | bytes | None], None] = {}
        self.link: End | None = None
        self.acked: list[tuple[int, str, list[Written]]] = []
        self.unacked: dict[str, list[Written]] = {}
        self.errors: list[str] = []
        self.drift = drift
        self.keeps = keeps
        self.returns = returns
        self.reads = 0.0
        self.pid = ""
        self._network = network
        self._clock: VirtualClock = network.clock
        self._random = random
        self._booted = False
        self._gone = False
        self._queue: list[bytes] = []
        self._dup: set[str] = set()
        self._dup_old: set[str] = set()
        self._dup_turn = 0.0
        self.boot()

    # What its user does

    @property
    def now(self) -> float:
        """Its time, milliseconds since 1970."""
        return self._clock.seconds() * 1000 + self.drift

    def boot(self) -> None:
        """Load the page: dial, and know nothing."""
        self.pid = self._new_id()
        self.graph = Graph()
        self.unacked.clear()
        self._queue = []
        self._booted = self._gone = False
        self._dial()

    def reload(self) -> None:
        """Load the page anew: its application asks for the same again."""
        self.leave()
        wanted = list(self.wanted)
        self.wanted.clear()
        self.boot()
        for soul, key in wanted:
            self.ask(soul, key)

    def leave(self) -> None:
        """Close the page."""
        self._gone = True
        if self.link is not None:
            self.link.drop("the page is closed")
            self.link.die()
            self.link = None

    def put(self, soul: str, values: Mapping[str, object], state: float | None = None) -> list[Written]:
        """
        Write some properties of a node.

        @param state: of all of them; L{None} is now.
        @return: what was written.
        """
        state = round(self.now) if state is None else state
        written = [(soul, key, state, jstext.stringify(value)) for key, value in values.items()]
        for each in written:
            self.graph.write(*each)
        put_id = self._new_id()
        texts: dict[str, list[tuple[str, tuple[float, bytes]]]] = {
            soul: [(key, (state, text)) for _, key, _, text in written]
        }
        text = b'{"#":"%b","put":%b,"ok":{"@":9,"/":1}}' % (put_id.encode(), render(in_order(texts)))
        self.unacked[put_id] = written
        self._say(text)
        return written

    def ask(self, soul: str, key: str | bytes | None = None) -> None:
        """
        Ask for something, and be subscribed to it.

        @param key: see L{wanted}.
        """
        if (soul, key) not in self.wanted:
            self.wanted[(soul, key)] = None
            self._say(self._get(soul, key))

    def wants(self, soul: str, key: str) -> bool:
        """Whether it is subscribed to a property."""
        wanted = self.wanted
        return (soul, None) in wanted or (soul, key) in wanted or self._wants_by_lex(soul, key)

    def tells(self, soul: str, key: str) -> bool:
        """
        Whether others can learn a property from it: it asks for it whenever it comes back, and so can be
        asked for it. gun.js does not ask again by LEX.
        """
        return (soul, None) in self.wanted or (soul, key) in self.wanted

    def _wants_by_lex(self, soul: str, key: str) -> bool:
        for asked, lex in self.wanted:
            if asked == soul and isinstance(lex, bytes):
                prefix = jstext.parse(lex)["."]["*"]
                if key.startswith(prefix):
                    return True
        return False

    # Saying

    def _new_id(self) -> str:
        return f"{self._random.getrandbits(46):09x}"[:12]

    def _get(self, soul: str, key: str | bytes | None, digest: int | None = None) -> bytes:
        known = b"" if digest is None else b'"##":%d,' % digest
        if key is None:
            selector = b""
        elif isinstance(key, bytes):
            selector = b"," + key[1:-1]
        else:
            selector = b',".":%b' % jstext.string(key)
        return b'{%b"#":"%b","get":{"#":%b%b}}' % (
            known,
            self._new_id().encode(),
            jstext.string(soul),
            selector,
        )

    def _say(self, text: bytes) -> None:
        if self.link is not None:
            self.link.send(text)
        elif not self._booted:
            self._queue.append(text)

    # Its link

    def _dial(self) -> None:
        if not self._gone and self.link is None:
            ear = _ClientEar(self, self.pid)
            self._network.dial(self.name, self.url, ear, ear.failed)

    def opened(self, end: End) -> bool:
        """See L{gunnet.simulate.links.Ear.opened}."""
        if self._gone:
            return False
        self.link = end
        end.reads = self.reads
        if not self._booted:
            self._booted = True
            end.send(b'{"dam":"hi","#":"%b"}' % self._new_id().encode())
            for text in self._queue:
                end.send(text)
            self._queue = []
            return True
        for soul, key in self.wanted:
            end.send(self._get(soul, key, self._digest(soul, key)))
        return True

    def _digest(self, soul: str, key: str | bytes | None) -> int | None:
        if not isinstance(key, str):
            return None
        known = self.graph.find(soul, key)
        value = None if known is None else jstext.parse(known[1])
        return jstext.string_hash(jstext.utf8(value)) if isinstance(value, str) else None

    def lost(self, reason: str) -> None:
        """See L{gunnet.simulate.links.Ear.lost}."""
        self.link = None
        if self.returns:
            self._clock.callLater(REDIAL_SECONDS, self._redial, self.pid)

    def _redial(self, pid: str) -> None:
        if pid == self.pid:
            self._dial()

    def read_at(self, rate: float) -> None:
        """Read so many bytes a second from now on; 0 for any number."""
        self.reads = rate
        if self.link is not None:
            self.link.reads = rate

    # Hearing

    def heard(self, frame: bytes) -> None:
        """See L{gunnet.simulate.links.Ear.heard}."""
        content = jstext.parse(frame)
        for message in content if isinstance(content, list) else [content]:
            self._hear(message)

    def _hear(self, message: Message) -> None:
        if self._is_known(message["#"]):
            return
        if "##" in message and "@" in message and self._is_known(f"{message['@']}{message['##']}"):
            return
        dam = message.get("dam")
        if dam is not None:
            if dam == "?" and "@" not in message:
                answer = b'{"dam":"?","pid":"%b","@":%b,"#":"%b"}'
                self._say(answer % (self.pid.encode(), jstext.string(message["#"]), self._new_id().encode()))
            elif dam == "!":
                self.errors.append(str(message.get("err")))
            return
        put = message.get("put")
        if put:
            self._hear_put(put)
            self._acknowledge(message)
        elif "@" in message:
            self._hear_ack(message)
        elif "get" in message:
            self._answer(message)

    def _is_known(self, name: str) -> bool:
        now = self._clock.seconds()
        if now > self._dup_turn:
            self._dup, self._dup_old = set(), self._dup
            self._dup_turn = now + DUP_SECONDS
        if name in self._dup or name in self._dup_old:
            return True
        self._dup.add(name)
        return False

    def _hear_put(self, put: dict[str, Message]) -> None:
        now = self.now
        for soul, node in put.items():
            for key, state in node["_"][">"].items():
                text = jstext.stringify(node[key])
                if state > now:
                    delay = (state - now) / 1000
                    self._clock.callLater(delay, self._write_late, self.pid, soul, key, state, text)
                else:
                    self.graph.write(soul, key, state, text)

    def _write_late(self, pid: str, soul: str, key: str, state: float, text: bytes) -> None:
        if pid == self.pid:
            self.graph.write(soul, key, state, text)

    def _acknowledge(self, message: Message) -> None:
        ok = message.get("ok")
        if not self.keeps or "@" in message or not isinstance(ok, dict):
            return
        wanted, near = ok.get("@", 0), ok.get("/", 0)
        if wanted >= near or self._random.random() * near < wanted:
            ack = b'{"#":"%b","@":%b,"ok":{"":1}}'
            self._say(ack % (self._new_id().encode(), jstext.string(message["#"])))

    def _hear_ack(self, message: Message) -> None:
        if message.get("err"):
            self.errors.append(str(message["err"]))
        elif message.get("ok"):
            written = self.unacked.pop(message["@"], None)
            if written is not None:
                self.acked.append((self._clock.tick, self.url, written))

    def _answer(self, message: Message) -> None:
        """
        From its graph: nodes, nine names at a time, and properties. A LEX is only answered by its storage,
        which gives the whole node.
        """
        get = message["get"]
        soul, key = get.get("#"), get.get(".")
        node = self.graph.nodes.get(soul, {}) if isinstance(soul, str) else {}
        if isinstance(key, str) and key:
            node = {key: node[key]} if key in node else {}
        elif key and not self.keeps:
            node = {}
        if not node:
            self._say(b'{"#":"%b","@":%b}' % (self._new_id().encode(), jstext.string(message["#"])))
            return
        names = sorted([*node, "_"], key=jstext.order_key)
        for at in range(0, len(names), CHUNK_NAMES):
            chunk = [(name, node[name]) for name in names[at : at + CHUNK_NAMES] if name != "_"]
            if chunk:
                self._say_answer(message, render([(soul, chunk)]))

    def _say_answer(self, message: Message, put: bytes) -> None:
        digest = jstext.string_hash(put)
        # Neither what the asker has, nor what somebody else has answered already.
        if message.get("##") == digest or self._is_known(f"{message['#']}{digest}"):
            return
        self._say(
            b'{"#":"%b","@":%b,"##":%d,"put":%b}'
            % (self._new_id().encode(), jstext.string(message["#"]), digest, put)
        )


class _ClientEar:
    """One link of a client: what comes on an earlier one, or for a page that was closed, is not for it."""

    __slots__ = ("_client", "_pid")

    def __init__(self, client: Client, pid: str) -> None:
        self._client = client
        self._pid = pid

    def _for(self, function: Callable[..., Any], *args: object) -> Any:
        return function(*args) if self._client.pid == self._pid else False

    def opened(self, end: End) -> bool:
        return bool(self._for(self._client.opened, end))

    def heard(self, end: End, frame: bytes) -> None:
        if self._client.link is end:
            self._client.heard(frame)

    def lost(self, end: End, reason: str) -> None:
        if self._client.link is end:
            self._client.lost(reason)

    def failed(self, reason: str) -> None:
        self._for(self._client.lost, reason)

    def choked(self, end: End) -> None:
        """A page knows nothing of its socket's buffer."""

    def drained(self, end: End) -> None:
        """Nor of this."""
