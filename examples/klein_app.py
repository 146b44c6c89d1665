"""
A Klein app with a relay in it: one process and one port for the page, what else the app does, and the links
of those who have the page open. The app itself reads and writes in the same graph.

Run it, and open what it prints in two windows::

    pip install gunnet klein
    npm install gun
    python klein_app.py --port 8080 --gun-js node_modules/gun --data gundata
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from random import SystemRandom
from typing import Any

from klein import Klein
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.task import react
from twisted.web.iweb import IRequest
from twisted.web.server import Site

from gunnet import Gun, GunResource, RelayService, Settings

PAGE = """<!DOCTYPE html>
<meta charset="utf-8"><title>Notes</title>
<input id="say" placeholder="a note" autofocus> <ul id="notes"></ul>
<script src="/gun/gun.js"></script>
<script>
  const notes = Gun([location.origin + '/gun']).get('notes');
  say.onchange = () => { notes.set(say.value); say.value = ''; };
  notes.map().once(text => {
    const item = document.createElement('li');
    item.textContent = text;
    document.getElementById('notes').append(item);
  });
</script>
"""


def make_app(relay: RelayService, gun: Gun) -> Klein:
    """The app: a page, the notes as JSON, and all that belongs to the relay below C{/gun}."""
    app = Klein()
    resource = GunResource(relay)

    @app.route("/")
    def home(request: IRequest) -> str:
        request.setHeader(b"content-type", b"text/html; charset=utf-8")
        return PAGE

    @app.route("/notes.json", methods=["GET"])
    async def notes(request: IRequest) -> str:
        request.setHeader(b"content-type", b"application/json")
        return json.dumps(list((await gun.get("notes").map()).values()))

    @app.route("/gun", branch=True)
    def mounted(request: IRequest) -> GunResource:
        return resource

    return app


async def main(reactor: Any, *arguments: str) -> None:
    """Serve until the process is told to end."""
    parser = ArgumentParser(description="A Klein app with a relay in it.")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--gun-js", required=True, help="folder of the npm package gun")
    parser.add_argument("--data", help="folder for the data; without one it is kept in memory")
    options = parser.parse_args(arguments)

    services = MultiService()
    settings = Settings(listen=(), data=options.data, gun_js=options.gun_js)
    relay = RelayService(settings, reactor, SystemRandom())
    relay.setServiceParent(services)
    services.startService()
    gun = Gun(relay=relay, reactor=reactor)  # a client without a network
    gun.setServiceParent(services)
    reactor.addSystemEventTrigger("before", "shutdown", services.stopService)

    endpoint = TCP4ServerEndpoint(reactor, options.port, interface="127.0.0.1")
    port = await endpoint.listen(Site(make_app(relay, gun).resource()))
    print(f"open http://127.0.0.1:{port.getHost().port}/", flush=True)
    await Deferred()


if __name__ == "__main__":
    import sys

    react(main, sys.argv[1:])
