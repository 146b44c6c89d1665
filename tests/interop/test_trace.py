"""
The way of one message of the real gun.js through a relay, asked for with C{gunnet trace}.
"""

from __future__ import annotations

import re

from tests.interop.scenario import Scenarios, all_ok
from tests.interop.test_metrics import SeenRelay, gunnet


class Trace(Scenarios):
    """Two clients, of which one hears of what the other writes."""

    newest_only = True
    names_relays = True

    async def test_put(self) -> None:
        """All steps of a put are told, with times that grow, and at whose end it was said."""
        relay = SeenRelay(self, axe=self.axe)  # type: ignore[arg-type]
        relay.options += ("--trace", "all")
        await relay.start()
        a, b = await self.clients(relay, relay)
        stream = await b.get("room", "title").on()
        await all_ok(a.get("room", "title").put("hello"))
        await stream.shows("hello")
        ids, _, status = await gunnet("trace", "--url", relay.seen)
        self.assertEqual(0, status)  # type: ignore[attr-defined]
        whole = [await gunnet("trace", "--url", relay.seen, id) for id in ids.split()]
        puts = [out for out, _, _ in whole if re.search(r"hear +put of \d+ bytes from ws 127", out)]
        self.assertEqual(1, len(puts), ids)  # type: ignore[attr-defined]
        steps = [
            (float(time), step, what)
            for time, step, what in re.findall(r"^ +([\d.]+) ms  (\w+) +(.*)$", puts[0], re.MULTILINE)
        ]
        names = [step for _, step, _ in steps]
        for step in ("hear", "check", "merge", "store", "route", "say"):
            self.assertIn(step, names, puts[0])  # type: ignore[attr-defined]
        self.assertEqual(sorted(steps, key=lambda step: step[0]), steps)  # type: ignore[attr-defined]
        said = [what for _, step, what in steps if step == "say"]
        news = "update " if self.axe else "itself "
        for what in ("ack to ws 127.0.0.1:", news):
            self.assertTrue(any(each.startswith(what) for each in said), puts[0])  # type: ignore[attr-defined]
        _, err, status = await gunnet("trace", "--url", relay.seen, "nobody")
        self.assertEqual((1, 1), (status, err.count("\n")))  # type: ignore[attr-defined]


globals().update(Trace.test_cases())
