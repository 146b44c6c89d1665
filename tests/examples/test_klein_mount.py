"""
Tests of L{gunnet.web.mount} under Klein, in memory: the same as under Twisted Web alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.web.iweb import IRequest
from twisted.web.resource import IResource, Resource

from gunnet.web.mount import GunResource
from tests.examples.running import NO_KLEIN
from tests.web import test_mount
from tests.web.test_resource import UPGRADE, Answer

if TYPE_CHECKING or NO_KLEIN is None:
    from klein import Klein


def app_with(mounted: GunResource, place: str) -> Klein:
    """An app with a page of its own and the relay."""
    app = Klein()

    @app.route("/")
    def home(request: IRequest) -> str:
        return "the program's own"

    @app.route(place, branch=True)
    def gun(request: IRequest) -> GunResource:
        return mounted

    return app


def branch(_case: object, mounted: GunResource) -> IResource:
    """The site of an app with C{mounted} at C{/gun}."""
    found: IResource = app_with(mounted, "/gun").resource()
    return found


class KleinTests(test_mount.MountTests):
    """As a branch of an app."""

    skip = NO_KLEIN
    root = branch


class KleinKeptAliveTests(test_mount.KeptAliveTests):
    """On connections on which the app was asked for something before."""

    skip = NO_KLEIN
    root = branch


class KleinPrefixTests(test_mount.MountTests):
    """Deep in an app that is itself a part of a site."""

    skip = NO_KLEIN

    path = "/apps/chat/rooms/gun"

    def root(self, mounted: GunResource) -> IResource:
        root, apps = Resource(), Resource()
        root.putChild(b"apps", apps)
        apps.putChild(b"chat", app_with(mounted, "/rooms/gun").resource())
        return root


class KleinEverythingTests(test_mount.EverythingTests):
    """With challenges, tokens, servers and scripts."""

    skip = NO_KLEIN
    root = branch


class KleinDecidingTests(test_mount.MountCase):
    """The app's own view of who may come in, before the relay is asked."""

    skip = NO_KLEIN

    def root(self, mounted: GunResource) -> IResource:
        app = Klein()

        @app.route("/gun", branch=True)
        def gun(request: IRequest) -> GunResource | str:
            if request.getCookie(b"session") == b"alice":
                return mounted
            request.setResponseCode(401)
            return "log in first"

        found: IResource = app.resource()
        return found

    def test_session(self) -> None:
        """It answers in place of the relay, or lets the relay do it."""
        answer: Answer = self.ask("", headers=UPGRADE)
        self.assertEqual(answer.code, 401)
        self.assertIn(b"log in first", answer.body)
        self.assertEqual(self.ask("", headers=UPGRADE + b"Cookie: session=alice\r\n").code, 101)
