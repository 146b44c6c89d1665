"""
WebRTC end to end: the unmodified gun.js with its C{lib/webrtc.js}, on pages of a headless Chromium. The relay
carries the first words of the pages; when they have met, it is stopped, and what they then tell one another
can only have come over their data channel.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import TestCase

from tests.interop.browser import Browser, Page, chromium
from tests.interop.members import ROOM, Member
from tests.interop.relays import GunnetRelay

JOIN = """
    window.tracks = []
    class Connection extends RTCPeerConnection {
        constructor(...given) {
            super(...given)
            if (window.stream) stream.getTracks().forEach(track => this.addTrack(track, stream))
            this.addEventListener('track', event => tracks.push(event.track))
        }
    }
    window.gun = Gun({
        peers: [url], localStorage: false, RTCPeerConnection: Connection,
        rtc: {room, iceServers: []},
    })
    // The lib/webrtc.js of npm knows no offers over an open channel; this is for those (docs/webrtc.md).
    const mesh = gun._.opt.mesh
    mesh.hear.rtc = async (message, peer) => {
        await peer.setRemoteDescription(message.ok.rtc.offer)
        await peer.setLocalDescription()
        const answer = peer.localDescription
        mesh.say({'@': message['#'], ok: {rtc: {answer, id: gun._.opt.pid}}}, peer)
    }
    window.channels = () => Object.values(gun._.opt.peers).filter(
        peer => peer.wire instanceof RTCDataChannel && peer.wire.readyState === 'open')
    window.sockets = () => Object.values(gun._.opt.peers).filter(
        peer => peer.wire instanceof WebSocket && peer.wire.readyState === WebSocket.OPEN)
    return gun._.opt.pid
"""

UNTIL = """
    const patience = performance.now() + seconds * 1000
    while (!(%s)) {
        if (performance.now() > patience)
            throw new Error('overdue, peers: ' + Object.values(gun._.opt.peers).map(
                peer => [peer.id || peer.url, peer.wire && peer.wire.readyState]))
        await new Promise(wake => setTimeout(wake, 10))
    }
"""

PAINT = """
    const canvas = document.createElement('canvas')
    Object.assign(canvas, {width: 160, height: 120})
    const brush = canvas.getContext('2d')
    let number = 0
    setInterval(() => {
        brush.fillStyle = `hsl(${number++ * 10}, 100%, 50%)`
        brush.fillRect(0, 0, 160, 120)
    }, 50)
    window.stream = canvas.captureStream(20)
"""

PLAY = """
    const video = document.createElement('video')
    video.muted = true
    video.srcObject = new MediaStream(tracks.filter(each => each.kind === 'video'))
    await video.play()
    const first = video.currentTime
    while (video.currentTime < first + 0.3) await new Promise(wake => setTimeout(wake, 20))
    return [video.videoWidth, video.videoHeight]
"""


async def until(page: Page, condition: str, seconds: float = 20, **names: Any) -> None:
    """Wait until an expression of JavaScript is true on a page."""
    await page.run(UNTIL % condition, seconds=seconds, **names)


async def watch(page: Page) -> None:
    """Have a page keep in C{seen} what it hears of the node C{talk}."""
    await page.run("window.seen = {}; gun.get('talk').map().on((value, key) => { seen[key] = value })")


async def tell(page: Page, key: str, value: str) -> None:
    """Have a page write a key of the node C{talk}."""
    await page.run("gun.get('talk').get(key).put(value)", key=key, value=value)


async def hears(page: Page, key: str, value: str) -> None:
    """Wait until a page that watches has heard of it."""
    await until(page, "seen[key] === value", key=key, value=value)


class Pages(TestCase):
    """What all tests here need."""

    timeout = 90
    browser: Browser

    def setUp(self) -> None:
        """Skip where there is no browser."""
        chromium()

    async def begin(self, *, axe: bool = True) -> tuple[GunnetRelay, Page, Page]:
        """
        @return: a relay, and two pages that have not met yet.
        """
        relay = GunnetRelay(self, axe=axe, store=False)
        self.browser = Browser(self)
        await gatherResults([Deferred.fromCoroutine(each) for each in (relay.start(), self.browser.open())])
        alice, bob = await gatherResults([Deferred.fromCoroutine(self.browser.page()) for _ in range(2)])
        return relay, alice, bob

    async def meet(self, relay: GunnetRelay, *pages: Page) -> None:
        """Have pages join the room one after the other, and wait until each has a channel to each."""
        for page in pages:
            await page.run(JOIN, url=relay.url, room=ROOM)
            await until(page, "sockets().length === 1")
        for page in pages:
            await until(
                page, "new Set(channels().map(peer => peer.id)).size === others", others=len(pages) - 1
            )


class BrowserTests(Pages):
    """Pages, each as in a browser of its own."""

    async def talk(self, relay: GunnetRelay, one: Page, other: Page) -> None:
        """What two pages that have met go on telling one another without a relay."""
        await gatherResults([Deferred.fromCoroutine(watch(page)) for page in (one, other)])
        await tell(one, "with relay", "1")
        await hears(other, "with relay", "1")
        await relay.kill()
        for page in (one, other):
            await until(page, "sockets().length === 0")
        for number in range(3):
            await tell(one, f"one {number}", "there")
            await hears(other, f"one {number}", "there")
            await tell(other, f"other {number}", "back")
            await hears(one, f"other {number}", "back")

    async def test_relay_stopped(self) -> None:
        """Pages meet through the relay, and go on over their channel when it has gone."""
        relay, alice, bob = await self.begin()
        await self.meet(relay, alice, bob)
        await self.talk(relay, alice, bob)

    async def test_relay_stopped_without_axe(self) -> None:
        """The same when the relay is one without AXE."""
        relay, alice, bob = await self.begin(axe=False)
        await self.meet(relay, alice, bob)
        await self.talk(relay, alice, bob)

    async def test_video(self) -> None:
        """What one page paints is seen on the other."""
        relay, alice, bob = await self.begin()
        await alice.run(PAINT)
        await self.meet(relay, alice, bob)  # the one that is there already makes the offer, with its tracks
        await until(bob, "tracks.length > 0")
        await relay.kill()
        self.assertEqual([160, 120], await bob.run(PLAY))


class MemberTests(Pages):
    """A page and a member of the room that is no browser."""

    async def join(self, relay: GunnetRelay, page: Page) -> str:
        """Have a page join the room. @return: its process id."""
        pid = str(await page.run(JOIN, url=relay.url, room=ROOM))
        await until(page, "sockets().length === 1")
        return pid

    async def test_relay_stopped(self) -> None:
        """They meet through the relay, and go on over their channel when it has gone."""
        relay, alice, _ = await self.begin()
        pid = await self.join(relay, alice)
        member = Member(self, relay.url)
        self.assertEqual(pid, (await member.heard("Joined"))["pid"])
        await until(alice, "channels().length > 0")
        await watch(alice)
        await relay.kill()
        await until(alice, "sockets().length === 0")
        for number in range(3):
            await tell(alice, f"page {number}", "there")
            await member.hears(f"page {number}", "there")
            member.tell(f"member {number}", "back")
            await hears(alice, f"member {number}", "back")

    async def test_encrypted(self) -> None:
        """The channel is one of DTLS, under the certificates that the relay has brought over."""
        relay, alice, _ = await self.begin()
        await self.join(relay, alice)
        member = Member(self, relay.url)
        await member.heard("Joined")
        await until(alice, "channels().length > 0")
        transport = await alice.run(
            "return [...(await channels()[0].getStats()).values()].find(each => each.type === 'transport')"
        )
        self.assertEqual("connected", transport["dtlsState"])
        self.assertIn("AES", transport["dtlsCipher"])

    async def test_video_to_member(self) -> None:
        """The member is told of what a page paints."""
        relay, alice, _ = await self.begin()
        await alice.run(PAINT)
        pid = await self.join(relay, alice)
        member = Member(self, relay.url)
        added = await member.heard("TrackAdded")
        self.assertEqual((pid, "video"), (added["pid"], added["kind"]))

    async def test_video_to_page(self) -> None:
        """A page shows what the member sends."""
        relay, alice, _ = await self.begin()
        member = Member(self, relay.url, paints=True)
        await member.heard("Ready")
        await member.logs("linked to")  # else each announces itself while the other is not there yet
        await self.join(relay, alice)
        await until(alice, "tracks.length > 0")
        await relay.kill()
        self.assertEqual([320, 240], await alice.run(PLAY))

    async def test_malformed_offer(self) -> None:
        """A page offers nonsense: an event and a line in the log, and the next page gets in."""
        relay, eve, bob = await self.begin()
        await eve.run(
            "RTCPeerConnection.prototype.createOffer = (done) => done({type: 'offer', sdp: 'v=0\\r\\nm=?'})"
        )
        pid = await self.join(relay, eve)
        member = Member(self, relay.url)
        failed = await member.heard("Failed")
        self.assertEqual(pid, failed["pid"])
        self.assertIn("offer", failed["why"])
        await member.logs(f"rtc: {pid}: {failed['why']}")
        await self.join(relay, bob)
        joined = await member.heard("Joined")
        self.assertEqual(await bob.run("return gun._.opt.pid"), joined["pid"])
