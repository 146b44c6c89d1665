"""
gun.js and its companions, from an installed npm package.
"""

from __future__ import annotations

import os

from twisted.web.http import CACHED
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request

from gunnet.settings_error import SettingsError

_JAVASCRIPT = b"text/javascript; charset=utf-8"


class Script(Resource):
    """A file of JavaScript, small enough to be sent in one piece."""

    isLeaf = True

    def __init__(self, place: str) -> None:
        super().__init__()
        self._place = place

    def render_GET(self, request: Request) -> bytes:
        """Read and give it, unless the browser has it."""
        try:
            with open(self._place, "rb") as file:
                changed = os.fstat(file.fileno()).st_mtime
                body = file.read()
        except OSError:
            request.setResponseCode(404)
            return b"not found\n"
        request.setHeader(b"content-type", _JAVASCRIPT)
        return b"" if request.setLastModified(changed) is CACHED else body


def scripts(folder: str) -> dict[bytes, IResource]:
    """
    The scripts of an installed C{gun} package by their paths in it. The folder is listed once: only what was
    there can be asked for, by its plain name.

    @raise SettingsError: it is no such folder.
    """
    if not os.path.isfile(os.path.join(folder, "gun.js")):
        raise SettingsError(f"there is no gun.js in {folder!r}: it has to be an installed npm package gun")
    found: dict[bytes, IResource] = {}
    names = ["gun.js", "sea.js", "axe.js"]
    lib = os.path.join(folder, "lib")
    if os.path.isdir(lib):
        names += [f"lib/{name}" for name in sorted(os.listdir(lib)) if name.endswith(".js")]
    for name in names:
        place = os.path.join(folder, name)
        if os.path.isfile(place):
            found[f"/{name}".encode()] = Script(place)
    return found
