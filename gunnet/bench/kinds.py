"""
What the clients of the mixed workload do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from gunnet import sea
from gunnet.bench.mixed import ROOM_PEERS, Client, Kind
from gunnet.bench.tally import Tally
from gunnet.bench.tools import Tools

_SETS = 4
_CHAINS = 20
_DEPTH = 5


class _Doing:
    """What all have in common."""

    weight = 1

    def __init__(self, name: str, tools: Tools, *more: str) -> None:
        self.tallies = [tools.tally(f"{name}{', ' if what else ''}{what}") for what in ("", *more)]
        self._tools = tools
        self._name = f"{tools.plan.name}/{name}"
        self._clients: list[Client] = []
        self._done = 0

    async def prepare(self, clients: list[Client]) -> None:
        """See L{Kind.prepare}."""
        self._clients = clients

    def delivered(self, client: Client, soul: str, node: dict[str, Any], now: float) -> None:
        """See L{Kind.delivered}."""

    def missing(self) -> int:
        """See L{Kind.missing}."""
        return 0

    def _node(self, soul: str, values: dict[str, Any]) -> dict[str, Any]:
        return {"_": {"#": soul, ">": dict.fromkeys(values, self._tools.state())}, **values}

    def _put(self, client: Client, time: float, nodes: dict[str, dict[str, Any]], tally: Tally) -> None:
        put = {soul: self._node(soul, values) for soul, values in nodes.items()}
        client.ask({"put": put}, self._until(client, time, tally, lambda message: True))

    def _until(
        self, client: Client, time: float, tally: Tally, enough: Callable[[dict[str, Any]], bool]
    ) -> Callable[[dict[str, Any]], bool]:
        """Takes answers until they are enough, or tell of an error; then it is done."""

        def answered(message: dict[str, Any]) -> bool:
            if error := message.get("err"):
                tally.refused(str(error))
            elif not enough(message):
                return False
            else:
                tally.done([time], self._tools.clock())
            client.finished()
            return True

        return answered

    def _store(self, client: Client, nodes: dict[str, dict[str, Any]]) -> None:
        """Put what is to be there before it begins."""
        put = {soul: self._node(soul, values) for soul, values in nodes.items()}
        client.ask({"put": put}, lambda message: True)

    def _number(self) -> int:
        self._done += 1
        return self._done


class _Heard(_Doing):
    """Something that all in a room are told."""

    def __init__(self, name: str, tools: Tools) -> None:
        super().__init__(name, tools, "heard")
        self._times: dict[int, tuple[float, int]] = {}
        self._missing = 0
        self._clients_in: dict[int, int] = {}

    async def prepare(self, clients: list[Client]) -> None:
        """See L{Kind.prepare}."""
        self._clients = clients
        for client in clients:
            self._clients_in[client.room] = self._clients_in.get(client.room, 0) + 1
            if client.index % ROOM_PEERS == 0:  # gun.js asks everybody about what is not there
                self._store(client, {self._room(client): {"name": "a room"}})
        await self._tools.sleep(0.1)
        for client in clients:
            client.ask({"get": {"#": self._room(client)}}, lambda message: True)

    def _room(self, client: Client) -> str:
        return f"{self._name}/{client.room}"

    def _begun(self, client: Client, time: float) -> int:
        number = self._number()
        self._times[number] = time, client.index
        return number

    def _arrived(self, client: Client, number: int, now: float) -> bool:
        """@return: whether that is news, and not what the client said itself."""
        time, index = self._times.get(number, (0.0, client.index))
        if index == client.index:
            return False
        self.tallies[1].done([time], now)
        return True


class Chat(_Heard):
    """A message in a room: its node, and a link to it in the room's, as gun.js's C{set} puts them."""

    weight = 4

    def begin(self, client: Client, time: float) -> None:
        """See L{Kind.begin}."""
        number = self._begun(client, time)
        self._missing += self._clients_in[client.room] - 1
        soul = f"{self._name}/message/{number}"
        text = {"who": f"client {client.index}", "what": f"message {number}, of usual length", "when": number}
        self._put(client, time, {self._room(client): {soul: {"#": soul}}, soul: text}, self.tallies[0])

    def delivered(self, client: Client, soul: str, node: dict[str, Any], now: float) -> None:
        """See L{Kind.delivered}."""
        if soul != self._room(client):
            return
        for link in node.values():
            if isinstance(link, dict) and ">" not in link:
                number = int(str(link.get("#", "/0")).rpartition("/")[2])
                if self._arrived(client, number, now):
                    self._missing -= 1

    def missing(self) -> int:
        """See L{Kind.missing}."""
        return max(0, self._missing)


class Presence(_Heard):
    """
    Where a client is: one property that is written over again and again. Not every value need be told, for
    the last one counts.
    """

    weight = 8

    def begin(self, client: Client, time: float) -> None:
        """See L{Kind.begin}."""
        number = self._begun(client, time)
        values = {f"client {client.index}": f"at {number:09d}"}
        self._put(client, time, {self._room(client): values}, self.tallies[0])

    def delivered(self, client: Client, soul: str, node: dict[str, Any], now: float) -> None:
        """See L{Kind.delivered}."""
        if soul == self._room(client):
            for value in node.values():
                if isinstance(value, str) and value.startswith("at "):
                    self._arrived(client, int(value[3:]), now)


class BigSets(_Doing):
    """Sets of many links: half of the time a member is added, half of the time all are got."""

    weight = 1

    def __init__(self, name: str, tools: Tools) -> None:
        super().__init__(name, tools, "adding")

    async def prepare(self, clients: list[Client]) -> None:
        """See L{Kind.prepare}."""
        members = self._tools.plan.nodes
        for at in range(_SETS):
            links = {f"member{number}": {"#": f"{self._name}/m/{number}"} for number in range(members)}
            self._store(clients[at % len(clients)], {f"{self._name}/{at}": links})

    def begin(self, client: Client, time: float) -> None:
        """See L{Kind.begin}."""
        soul = f"{self._name}/{self._tools.random.randrange(_SETS)}"
        if self._tools.random.random() < 0.5:
            number = self._number()
            links = {f"new{number}": {"#": f"{self._name}/n/{number}"}}
            self._put(client, time, {soul: links}, self.tallies[1])
            return
        seen: set[str] = set()

        def enough(message: dict[str, Any]) -> bool:
            seen.update(key for key in message.get("put", {}).get(soul, ()) if key.startswith("member"))
            return len(seen) >= self._tools.plan.nodes

        client.ask({"get": {"#": soul}}, self._until(client, time, self.tallies[0], enough))


class DeepGets(_Doing):
    """From node to node along links, each asked for when the one before has come."""

    weight = 4

    async def prepare(self, clients: list[Client]) -> None:
        """See L{Kind.prepare}."""
        for chain in range(_CHAINS):
            souls = [f"{self._name}/{chain}/{depth}" for depth in range(_DEPTH + 1)]
            nodes = {soul: {"name": soul, "next": {"#": after}} for soul, after in pairwise(souls)}
            self._store(clients[chain % len(clients)], nodes)

    def begin(self, client: Client, time: float) -> None:
        """See L{Kind.begin}."""
        self._get(client, time, f"{self._name}/{self._tools.random.randrange(_CHAINS)}/0", _DEPTH)

    def _get(self, client: Client, time: float, soul: str, left: int) -> None:
        def answered(message: dict[str, Any]) -> bool:
            if error := message.get("err"):
                self.tallies[0].refused(str(error))
                client.finished()
                return True
            link = message.get("put", {}).get(soul, {}).get("next")
            if link is None:
                return False
            if left > 1:
                self._get(client, time, link["#"], left - 1)
            else:
                self.tallies[0].done([time], self._tools.clock())
                client.finished()
            return True

        client.ask({"get": {"#": soul}}, answered)


class Signed(_Doing):
    """Values that their writer has signed, in its own part of the graph (SEA)."""

    weight = 3

    def __init__(self, name: str, tools: Tools) -> None:
        super().__init__(name, tools)
        self._pair = sea.pair()

    def begin(self, client: Client, time: float) -> None:
        """See L{Kind.begin}."""
        soul, key, state = f"~{self._pair.pub}/{self._name}", f"key{self._number()}", self._tools.state()
        value = sea.sign_value(soul, key, "a value of usual length", state, self._pair)
        put = {soul: {"_": {"#": soul, ">": {key: state}}, key: value}}
        client.ask({"put": put}, self._until(client, time, self.tallies[0], lambda message: True))


def kinds(names: Sequence[str], tools: Tools) -> list[Kind]:
    """Some of them, by name."""
    made: dict[str, Callable[[str, Tools], Kind]] = {
        "chat": Chat,
        "presence": Presence,
        "big-sets": BigSets,
        "deep-gets": DeepGets,
        "signed": Signed,
    }
    return [made[name](name, tools) for name in names]
