"""
C{gunnet top}: who keeps most in a graph.
"""

from __future__ import annotations

from gunnet import usage
from gunnet.amounts import number
from gunnet.counters import Counters
from gunnet.limits import Limits
from gunnet.mesh.quotas import usage_of
from gunnet.settings_error import SettingsError
from gunnet.store.looking import LookedAt, all_cells

COUNT = 10


class Options(usage.Options):
    """What C{gunnet top} understands."""

    synopsis = "Usage: gunnet top [options]"
    longdesc = "Lists the users that keep most in a data folder, by bytes. A relay may be running on it."
    optParameters = [
        ["data", None, None, "Folder of the data [default: as for the relay]"],
        ["count", "n", COUNT, "How many users"],
        ["config", None, None, "TOML file with the options of the relay"],
    ]

    def postOptions(self) -> None:
        """
        Read the number.

        @raise SettingsError: it is none.
        """
        try:
            self["count"] = number(str(self["count"]))
        except SettingsError as e:
            raise SettingsError(f"--count: {e}") from e


def top(path: str, count: int, limits: Limits) -> list[str]:
    """
    One line a user: bytes, and the public key.

    @raise gunnet.store.interface.StoreError: the folder can't be read.
    """
    store = LookedAt(path)
    counters = Counters()
    try:
        kept = usage_of(all_cells(store), limits, counters)
    finally:
        store.close()
    lines = [f"{size:>15,}  {user}" for user, size in kept.top(count)]
    if counters["users_exceeded"]:
        lines.append(f"there are more than {limits.users:,} users; some are not counted by themselves")
    return lines or ["no users"]
