"""
Tests for L{gunnet.mesh.gossip}: what relays tell each other of other relays.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gunnet.counters import Counters
from gunnet.limits import Limits
from gunnet.mesh.gossip import REST_MS, REST_MS_MAX, STEADY_MS, TRIAL_MS, Gossip, Policy
from gunnet.mesh.peer import Peer
from gunnet.mesh.peers import Peers
from gunnet.mesh.urls import AllowRule
from gunnet.testing import MemoryLink
from gunnet.wire import jstext
from tests.mesh.test_urls import INSIDE, NO_URLS

START = 1_800_000_000_000.0


def url(number: int | str) -> str:
    """The URL of a relay somewhere."""
    return f"wss://relay{number}.example/gun"


class Mesh:
    """
    One relay's gossip, and the peers around it.

    @ivar dialled: what is to be dialled as things stand, because others told it.
    """

    def __init__(self, policy: Policy = "off", networks: Iterable[str] = (), **limits: Any) -> None:
        self.counters = Counters()
        self.limits = Limits(**limits)
        ids = iter(range(1, 1_000_000))
        self.peers = Peers(self.limits, self.counters, lambda: f"id{next(ids)}")
        self.gossip = Gossip(
            self.peers,
            self.limits,
            self.counters,
            Random(1),
            policy=policy,
            allowed=AllowRule(networks),
        )
        self.now = START
        self.dialled: set[str] = set()

    def link(self, at: str | None = None, pid: str | None = "pid") -> Peer:
        """A link is up: dialled, or accepted."""
        upstream = None if at is None else self.peers.upstream(at)
        peer = self.peers.join(MemoryLink(at or "accepted"), upstream)
        assert peer is not None
        if pid is not None:
            peer.life.named(pid)
        return peer

    def run(self, milliseconds: float = 0.0) -> None:
        """Let time pass, and the shell do what it is told, except for links that come about."""
        end = self.now + milliseconds
        while True:
            self.gossip.run(self.now)
            for gone in self.gossip.hang_up:
                self.dialled.remove(gone)
                peer = self.peers.upstreams.pop(gone, None)
                if peer is not None and peer.up:
                    self.peers.leave(peer)
            for new in self.gossip.dial:
                assert new not in self.dialled
                self.dialled.add(new)
                self.peers.upstream(new)
            self.gossip.dial, self.gossip.hang_up = [], []
            at = self.gossip.next_at
            if at is None or at > end:
                break
            assert at > self.now
            self.now = at
        self.now = end


class HearTests(SynchronousTestCase):
    """What is kept of what is told."""

    def test_urls_bad(self) -> None:
        """Whatever is no URL is counted, and nothing else happens."""
        mesh = Mesh("all")
        peer = mesh.link(url("above"))
        for value in NO_URLS:
            self.assertFalse(mesh.gossip.hear([value], peer))
        self.assertEqual((len(mesh.gossip), mesh.counters["gossip_urls_bad"]), (0, len(NO_URLS)))

    def test_any_value(self) -> None:
        """The field itself may be anything too."""
        mesh = Mesh("all")
        peer = mesh.link(url("above"))
        values: tuple[object, ...] = (None, True, 7, "", "x", [], {}, [[]], [{}], {"": 1}, {"url": url(1)})
        for value in values:
            self.assertFalse(mesh.gossip.hear(value, peer))
        self.assertEqual(len(mesh.gossip), 0)

    def test_forms(self) -> None:
        """A URL, an array, or an object that has them as keys."""
        mesh = Mesh("all")
        peer = mesh.link(url("above"))
        values: tuple[object, ...] = (url(1), [url(2), url(3)], {url(4): {}, "x": {}})
        for value in values:
            self.assertTrue(mesh.gossip.hear(value, peer))
        self.assertEqual(len(mesh.gossip), 4)
        self.assertFalse(mesh.gossip.hear(["HTTPS://relay1.example:443/gun"], peer), "known")

    def test_private(self) -> None:
        """What leads inside is neither kept, nor dialled, nor told."""
        for policy in ("off", "peers", "all"):
            mesh = Mesh(policy)
            peer = mesh.link(url("above"))
            for inside in INSIDE:
                mesh.gossip.hear([inside], peer)
                mesh.gossip.hear_opt({"peers": inside}, peer, mesh.now)
                mesh.gossip.hear_mob({inside: {}}, peer, mesh.now)
            mesh.run(10 * TRIAL_MS)
            self.assertEqual((mesh.dialled, len(mesh.gossip)), (set(), 0))
            self.assertEqual(mesh.gossip.urls_for(mesh.link(url("other"))), [url("above")])
            self.assertGreaterEqual(mesh.counters["gossip_urls_private"], 2 * len(INSIDE))

    def test_allowed_networks(self) -> None:
        """What the operator allows is dialled."""
        mesh = Mesh("peers", ["10.0.0.0/8"])
        mesh.gossip.hear(["http://10.0.0.1:8765/gun", "http://192.168.0.1/gun"], mesh.link(url("above")))
        mesh.run()
        self.assertEqual(mesh.dialled, {"ws://10.0.0.1:8765/gun"})

    def test_url_characters(self) -> None:
        """A URL that is too long is a bad one."""
        mesh = Mesh("all", url_characters=len(url(1)))
        peer = mesh.link(url(1))
        mesh.gossip.hear([url(2), url(33)], peer)
        self.assertEqual((len(mesh.gossip), mesh.counters["gossip_urls_bad"]), (1, 1))

    def test_gossip_message_urls(self) -> None:
        """Of one message only so many are looked at."""
        mesh = Mesh("all", gossip_message_urls=3)
        mesh.gossip.hear(["x", *map(url, range(9))], mesh.link(url("above")))
        self.assertEqual((len(mesh.gossip), mesh.counters["gossip_message_urls_exceeded"]), (2, 7))

    def test_gossip_urls(self) -> None:
        """The table is bounded; strangers' leave first, then the oldest, but never one that is linked."""
        mesh = Mesh("all", gossip_urls=5, gossip_links=1)
        above, stranger = mesh.link(url("above")), mesh.link()
        mesh.gossip.hear([url("s0")], stranger)
        mesh.run()
        self.assertEqual(mesh.dialled, {url("s0")})
        mesh.gossip.hear([url("s1"), url("s2")], stranger)
        mesh.gossip.hear([url(1), url(2), url(3), url(4)], above)
        self.assertEqual((len(mesh.gossip), mesh.counters["gossip_urls_exceeded"]), (5, 2))
        self.assertFalse(mesh.gossip.hear([url("s3")], stranger))
        mesh.gossip.hear([url(5)], above)
        told = mesh.gossip.urls_for(mesh.link(url("other"), pid=None))
        self.assertEqual(told, [url("above"), url(2), url(3), url(4), url(5)])
        self.assertEqual(mesh.counters["gossip_urls_exceeded"], 4)
        self.assertEqual(mesh.dialled, {url("s0")})

    def test_flood(self) -> None:
        """However much is told, the table and the links stay within their bounds."""
        mesh = Mesh("all")
        above, stranger = mesh.link(url("above")), mesh.link()
        for number in range(0, 5_000, 20):
            urls = [url(n) for n in range(number, number + 20)]
            mesh.gossip.hear(urls, above if number % 40 else stranger)
            mesh.gossip.hear_opt({"peers": url(f"o{number}")}, stranger, mesh.now)
        mesh.run(3 * TRIAL_MS)
        self.assertEqual(len(mesh.gossip), mesh.limits.gossip_urls)
        self.assertLessEqual(len(mesh.dialled), mesh.limits.gossip_links)

    def test_strangers(self) -> None:
        """Their URLs are kept only by a relay that dials them."""
        for policy, kept in (("off", 0), ("peers", 0), ("all", 1)):
            mesh = Mesh(policy)  # type: ignore[arg-type]
            self.assertFalse(mesh.gossip.hear([url(1)], mesh.link()))
            self.assertEqual(len(mesh.gossip), kept)
            self.assertEqual(mesh.counters["gossip_strangers_ignored"], 1 - kept)


class TellTests(SynchronousTestCase):
    """What others are told."""

    def test_order(self) -> None:
        """First whom we are linked to, then those we heard of from them."""
        mesh = Mesh()
        above = mesh.link(url("above"))
        mesh.gossip.hear([url(1), url(2)], above)
        mesh.link("https://relay-second.example/gun")
        expected = [url("above"), url("-second"), url(1), url(2)]
        self.assertEqual(mesh.gossip.urls_for(mesh.link()), expected)

    def test_not_its_own(self) -> None:
        """Nobody is told its own URL, whatever it is spelled like."""
        mesh = Mesh()
        above = mesh.link("HTTPS://relay1.example:443/gun")
        mesh.gossip.hear([url(1), url(2)], above)
        self.assertEqual(mesh.gossip.urls_for(above), [url(2)])

    def test_not_its_own_when_it_dialled(self) -> None:
        """The twin of one that we dialled neither."""
        mesh = Mesh()
        above, accepted = mesh.link(url(1)), mesh.link()
        accepted.twin = above
        self.assertEqual(mesh.gossip.urls_for(accepted), [])

    def test_those_that_work(self) -> None:
        """Not those that are away, nor those that have not greeted."""
        mesh = Mesh()
        mesh.link(url(1), pid=None)
        mesh.peers.upstream(url(2))
        mesh.peers.leave(mesh.link(url(3)))
        self.assertEqual(mesh.gossip.urls_for(mesh.link()), [])

    def test_linked_by_a_twin(self) -> None:
        """One whose own link stands for the one that we dialled works as well."""
        mesh = Mesh()
        upstream, twin = mesh.peers.upstream(url(1)), mesh.link()
        upstream.twin = twin
        self.assertEqual(mesh.gossip.urls_for(mesh.link()), [url(1)])

    def test_nothing_private(self) -> None:
        """Not what is inside, and not what has a secret in it."""
        secrets = ("http://127.0.0.1:8765/gun", "ws://10.0.0.7/gun", "https://a.example/gun?token=secret")
        mesh = Mesh()
        for secret in secrets:
            mesh.link(secret)
        self.assertEqual((mesh.gossip.urls_for(mesh.link()), mesh.gossip.mob()), ([], None))
        mesh = Mesh(networks=["10.0.0.0/8"])
        for secret in secrets:
            mesh.link(secret)
        self.assertEqual(mesh.gossip.urls_for(mesh.link()), ["ws://10.0.0.7/gun"])

    def test_bound(self) -> None:
        """At most so many, and the same ones when there are more: news would be told on and on."""
        mesh = Mesh(gossip_message_urls=4)
        above, other = mesh.link(url("above")), mesh.link()
        mesh.gossip.hear([url(1), url(2), url(3)], above)
        told = mesh.gossip.urls_for(other)
        self.assertEqual(len(told), 4)
        mesh.gossip.hear([url(4), url(1)], above)
        self.assertEqual(mesh.gossip.urls_for(other), told)

    def test_not_what_failed(self) -> None:
        """One that was tried in vain is not passed on."""
        mesh = Mesh("peers")
        above = mesh.link(url("above"))
        mesh.gossip.hear([url(1)], above)
        mesh.run(TRIAL_MS)
        self.assertEqual(mesh.gossip.urls_for(mesh.link()), [url("above")])


class LinkTests(SynchronousTestCase):
    """Whom the relay links to because others told it."""

    def test_policies(self) -> None:
        """By default nobody; then whom those tell that it dials; then whom anybody tells."""
        for policy, expected in (("off", set()), ("peers", {url(1)}), ("all", {url(1), url(2)})):
            mesh = Mesh(policy)  # type: ignore[arg-type]
            mesh.gossip.hear([url(1)], mesh.link(url("above")))
            mesh.gossip.hear([url(2)], mesh.link())
            mesh.run(TRIAL_MS / 2)
            self.assertEqual(mesh.dialled, expected, policy)

    def test_off_is_quiet(self) -> None:
        """Nothing is to be done at any time, whatever is told."""
        mesh = Mesh("off")
        mesh.gossip.hear([url(1)], mesh.link(url("above")))
        mesh.gossip.run(mesh.now)
        self.assertEqual((mesh.gossip.dial, mesh.gossip.next_at), ([], None))

    def test_stranger_confirmed(self) -> None:
        """What a stranger told and then one of ours tells is as good as ours."""
        mesh = Mesh("all", gossip_links=0)
        mesh.gossip.hear([url(1)], mesh.link())
        above, other = mesh.link(url("above")), mesh.link()
        self.assertEqual(mesh.gossip.urls_for(other), [url("above")])
        self.assertTrue(mesh.gossip.hear([url(1)], above))
        self.assertEqual((mesh.gossip.urls_for(other), len(mesh.gossip)), ([url("above"), url(1)], 1))

    def test_not_twice(self) -> None:
        """Not whom it dials anyway, up or not."""
        mesh = Mesh("peers")
        mesh.peers.upstream("http://relay2.example/gun")
        mesh.gossip.hear([url(1), "ws://relay2.example:80/gun"], mesh.link("https://relay1.example/gun"))
        mesh.run(TRIAL_MS)
        self.assertEqual(mesh.counters["gossip_links_tried"], 0)

    def test_gossip_links(self) -> None:
        """So many at a time; which ones is a matter of chance, lest all relays take the same."""
        chosen = set()
        for seed in range(5):
            mesh = Mesh("peers", gossip_links=3)
            mesh.gossip._random.seed(seed)
            mesh.gossip.hear(list(map(url, range(20))), mesh.link(url("above")))
            mesh.run()
            self.assertEqual(len(mesh.dialled), 3)
            chosen.add(frozenset(mesh.dialled))
        self.assertGreater(len(chosen), 1)

    def test_given_up(self) -> None:
        """One whose link does not come about makes room for another, and gets its chance again."""
        mesh = Mesh("peers", gossip_links=1)
        mesh.gossip.hear([url(1), url(2)], mesh.link(url("above")))
        mesh.run()
        [first] = mesh.dialled
        mesh.run(TRIAL_MS - 1)
        self.assertEqual(mesh.dialled, {first})
        mesh.run(1)
        [second] = mesh.dialled
        self.assertEqual({first, second}, {url(1), url(2)})
        self.assertEqual(mesh.counters["gossip_links_given_up"], 1)
        mesh.run(TRIAL_MS)
        self.assertEqual(mesh.dialled, set())
        mesh.run(REST_MS - TRIAL_MS)
        self.assertEqual(mesh.dialled, {first})

    def test_rests_grow(self) -> None:
        """A relay that is never there is tried ever more seldom."""
        mesh = Mesh("peers")
        mesh.gossip.hear([url(1)], mesh.link(url("above")))
        rests = []
        for _ in range(10):
            mesh.run()
            self.assertEqual(mesh.dialled, {url(1)})
            mesh.run(TRIAL_MS)
            self.assertEqual(mesh.dialled, set())
            at = mesh.gossip.next_at
            assert at is not None
            rests.append(at - mesh.now)
            mesh.run(rests[-1])
        self.assertEqual(rests, [min(REST_MS * 2**n, REST_MS_MAX) for n in range(10)])

    def test_lasting_link(self) -> None:
        """One whose link lasts stays; when it is lost, it has time to come back."""
        mesh = Mesh("peers")
        mesh.gossip.hear([url(1)], mesh.link(url("above")))
        mesh.run(TRIAL_MS - 1)
        told = mesh.link(url(1))
        mesh.run(10 * TRIAL_MS)
        mesh.peers.leave(told)
        mesh.run(TRIAL_MS - 1)
        self.assertEqual(mesh.dialled, {url(1)})
        mesh.run(1)
        self.assertEqual(mesh.dialled, set())

    def test_flapping_link(self) -> None:
        """One that comes and goes is given up like one that does not come."""
        mesh = Mesh("peers")
        mesh.gossip.hear([url(1)], mesh.link(url("above")))
        mesh.run()
        for _ in range(int(TRIAL_MS / 20_000)):
            told = mesh.link(url(1))
            mesh.run(min(10_000, STEADY_MS - 1))
            mesh.peers.leave(told)
            mesh.run(10_000)
        self.assertEqual(mesh.dialled, set())

    def test_linked_by_a_twin(self) -> None:
        """A relay that has dialled us meanwhile is linked to."""
        mesh = Mesh("peers")
        mesh.gossip.hear([url(1)], mesh.link(url("above")))
        mesh.run()
        mesh.peers.upstreams[url(1)].twin = mesh.link()
        mesh.run(2 * TRIAL_MS)
        self.assertEqual(mesh.dialled, {url(1)})

    def test_own(self) -> None:
        """A told relay that is this one itself is hung up on, and never tried again."""
        mesh = Mesh("peers", gossip_links=1)
        mesh.gossip.hear([url(1)], mesh.link(url("above")))
        mesh.run()
        mesh.gossip.own(url(1))
        mesh.gossip.own(url("unknown"))
        mesh.run(REST_MS_MAX)
        self.assertEqual((mesh.dialled, mesh.counters["gossip_links_tried"]), (set(), 1))


class OptTests(SynchronousTestCase):
    """gun.js asks to be linked to a relay."""

    def test_obeyed(self) -> None:
        """Only if the operator lets those ask who ask."""
        for policy, stranger, trusted in (("off", 0, 0), ("peers", 0, 1), ("all", 1, 1)):
            for above, obeyed in ((None, stranger), (url("above"), trusted)):
                mesh = Mesh(policy)  # type: ignore[arg-type]
                peer = mesh.link(above)
                self.assertIs(mesh.gossip.hear_opt({"peers": url(1)}, peer, mesh.now), bool(obeyed))
                mesh.run()
                self.assertEqual(mesh.dialled, {url(1)} if obeyed else set())
                self.assertEqual(mesh.counters["opts_obeyed"], obeyed)
                self.assertEqual(mesh.counters["opts_refused"], 1 - obeyed)

    def test_forms(self) -> None:
        """gun.js says one URL; an array is understood as well; nonsense is refused."""
        mesh = Mesh("all")
        peer = mesh.link()
        self.assertTrue(mesh.gossip.hear_opt({"peers": [url(1), "x", url(2)]}, peer, mesh.now))
        mesh.run()
        self.assertEqual(mesh.dialled, {url(1), url(2)})
        for value in (None, 5, "x", url(3), [], [url(3)], {}, {"peers": None}, {"peers": {"peers": url(3)}}):
            self.assertFalse(mesh.gossip.hear_opt(value, peer, mesh.now), repr(value))

    def test_inside(self) -> None:
        """Strangers can't have the relay knock at doors inside."""
        mesh = Mesh("all")
        peer = mesh.link()
        for inside in INSIDE:
            self.assertFalse(mesh.gossip.hear_opt({"peers": inside}, peer, mesh.now), inside)

    def test_no_room(self) -> None:
        """If all links are taken, it is not obeyed; what is dialled already is."""
        mesh = Mesh("all", gossip_links=1)
        peer = mesh.link()
        self.assertTrue(mesh.gossip.hear_opt({"peers": url(1)}, peer, mesh.now))
        self.assertFalse(mesh.gossip.hear_opt({"peers": url(2)}, peer, mesh.now))
        self.assertTrue(mesh.gossip.hear_opt({"peers": url(1)}, peer, mesh.now))
        mesh.run()
        self.assertEqual(mesh.dialled, {url(1)})

    def test_resting(self) -> None:
        """One that was given up is left alone, whoever asks."""
        mesh = Mesh("all")
        peer = mesh.link()
        mesh.gossip.hear_opt({"peers": url(1)}, peer, mesh.now)
        mesh.run(TRIAL_MS)
        self.assertFalse(mesh.gossip.hear_opt({"peers": url(1)}, peer, mesh.now))
        self.assertEqual(mesh.gossip.dial, [])


class MobTests(SynchronousTestCase):
    """Too many for one relay."""

    def named(self, mesh: Mesh) -> Any:
        """The message that a client would get."""
        text = mesh.gossip.mob()
        return None if text is None else jstext.parse(text)

    def test_message(self) -> None:
        """It has the form that gun.js understands, and names relays that have room."""
        mesh = Mesh()
        mesh.link(url(1))
        mesh.link("https://relay2.example/gun").full = True
        mesh.gossip.hear([url(3)], mesh.link(url(4), pid=None))
        message = self.named(mesh)
        self.assertIsInstance(message.pop("#"), str)
        self.assertEqual(message, {"dam": "mob", "mob": 3, "peers": {url(1): {}}})
        self.assertEqual(mesh.counters["mobs_sent"], 1)

    def test_nobody(self) -> None:
        """Without any there is no message."""
        mesh = Mesh()
        self.assertIsNone(mesh.gossip.mob())
        mesh.link(url(1)).full = True
        self.assertIsNone(mesh.gossip.mob())
        self.assertEqual(mesh.counters["mobs_sent"], 0)

    def test_to_and_fro(self) -> None:
        """A client is not sent round and round between relays that are all full."""
        meshes = {name: Mesh() for name in "abc"}
        for name, mesh in meshes.items():
            for other in sorted(meshes.keys() - {name}):
                mesh.link(url(other)).full = True
        self.assertEqual([self.named(mesh) for mesh in meshes.values()], [None] * 3)
        # One has room again: from wherever the client comes, it gets there and stays.
        for name in "ab":
            next(peer for peer in meshes[name].peers.upstreams.values() if peer.url == url("c")).full = False
        for name in "ab":
            self.assertEqual(list(self.named(meshes[name])["peers"]), [url("c")])
        self.assertIsNone(self.named(meshes["c"]))

    def test_full_twin(self) -> None:
        """What counts is what was said on the link that stands for the other."""
        mesh = Mesh()
        twin = mesh.peers.upstream(url(1)).twin = mesh.link()
        self.assertEqual(list(self.named(mesh)["peers"]), [url(1)])
        twin.full = True
        self.assertIsNone(self.named(mesh))

    def test_heard(self) -> None:
        """A relay stays with one that is full, dials it less often, and remembers whom it named."""
        mesh = Mesh("peers")
        above = mesh.link("https://relay1.example/gun")
        self.assertTrue(mesh.gossip.hear_mob({url(2): {}}, above, mesh.now))
        mesh.run()
        self.assertTrue(above.up)
        self.assertEqual((mesh.peers.drops, mesh.dialled), ([], {url(2)}))
        self.assertEqual(mesh.gossip.busy, ["https://relay1.example/gun"])

    def test_heard_from_a_stranger(self) -> None:
        """Whoever we have not dialled can't send us anywhere."""
        mesh = Mesh("peers")
        self.assertFalse(mesh.gossip.hear_mob({url(1): {}}, mesh.link(), mesh.now))
        mesh.run()
        self.assertEqual((mesh.dialled, mesh.gossip.busy), (set(), []))

    def test_heard_on_trial(self) -> None:
        """A told relay that is full is left for another."""
        mesh = Mesh("peers", gossip_links=1)
        mesh.gossip.hear([url(1)], mesh.link(url("above")))
        mesh.run()
        told = mesh.link(url(1))
        mesh.run()
        mesh.gossip.hear_mob({url(2): {}}, told, mesh.now)
        mesh.run()
        self.assertEqual(mesh.dialled, {url(2)})

    def test_any_value(self) -> None:
        """Whatever is in it."""
        mesh = Mesh("all")
        peer = mesh.link()
        for value in (None, 1, "x", [], {}, [None], {"x": 1}):
            self.assertFalse(mesh.gossip.hear_mob(value, peer, mesh.now))
        self.assertEqual(mesh.counters["mobs_heard"], 7)
