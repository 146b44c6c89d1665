"""
How fast one may write who signs what he writes.

Whoever sends it: the key counts, and only once its signature was verified, so that nobody can use up what
somebody else may write.
"""

from __future__ import annotations

from collections import OrderedDict

from gunnet.counters import Counters
from gunnet.graph.node import PutCell
from gunnet.limits import Limits
from gunnet.mesh.buckets import Bucket
from gunnet.sea.errors import SEAError
from gunnet.sea.firewall import Judgement, Verdict
from gunnet.sea.puts import owner_of, read_signed
from gunnet.wire import jstext

TOO_FAST = "Error: This key writes too fast, try again later."


class Writers:
    """What each key may still write."""

    def __init__(self, limits: Limits, counters: Counters) -> None:
        self._limits = limits
        self._counters = counters
        self._buckets: OrderedDict[str, tuple[Bucket, Bucket]] = OrderedDict()
        self.limited = limits.writer_puts > 0 or limits.writer_bytes > 0

    def __len__(self) -> int:
        """How many keys are remembered."""
        return len(self._buckets)

    def judge(self, cells: list[PutCell], verdicts: list[Verdict], now: float) -> list[Verdict]:
        """
        Refuse what comes too fast, of what else may stand. All that a put has of one key stands or falls.

        @param verdicts: of each cell.
        @param now: milliseconds since 1970.
        """
        sizes: dict[str, int] = {}
        signers: list[str | None] = []
        for cell, verdict in zip(cells, verdicts, strict=True):
            signer = signer_of(cell) if verdict is Judgement.ALLOWED else None
            signers.append(signer)
            if signer is not None:
                sizes[signer] = sizes.get(signer, 0) + len(cell[1]) + len(cell[3])
        late = {signer for signer, size in sizes.items() if not self._may(signer, size, now / 1000)}
        if not late:
            return verdicts
        return [
            TOO_FAST if signer in late else verdict for signer, verdict in zip(signers, verdicts, strict=True)
        ]

    def _may(self, signer: str, size: int, now: float) -> bool:
        limits = self._limits
        rates = (limits.writer_puts, limits.writer_bytes)
        buckets = self._buckets.pop(signer, None) or (Bucket(rates[0], now), Bucket(rates[1], now))
        self._buckets[signer] = buckets
        if len(self._buckets) > limits.writers:
            self._counters.count("writers_evicted")
            self._buckets.popitem(last=False)
        for bucket, rate, counter in zip(
            buckets, rates, ("writer_puts_refused", "writer_bytes_refused"), strict=True
        ):
            if rate > 0 and bucket.debt_seconds(rate, now) > 0:
                self._counters.count(counter)
                return False
        buckets[0].spend(1)
        buckets[1].spend(size)
        return True


def signer_of(cell: PutCell) -> str | None:
    """The key that signed a value that was verified; L{None} if nobody did."""
    soul, _, _, value = cell
    owner = owner_of(soul)
    if owner is None or soul.startswith("~@") or not value.startswith(b'"'):
        return None
    try:
        return read_signed(str(jstext.parse(value))).signer or owner
    except SEAError:
        return None
