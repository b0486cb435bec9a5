"""Print a few movements with every entry and hash they leave behind.

Hashes are kept for good: whoever changes one breaks the check of every chain that exists. When the change is meant,
`python -m tests.golden.journal` writes the file anew; its difference shows in the review.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tallystick.domain.accounts import Entry
from tallystick.domain.money import format_units
from tallystick.domain.times import to_rfc3339
from tallystick.domain.transfers import Transfer
from tests.support.scene import BOB, Scene

GOLDEN: Final = Path(__file__).with_name("journal.txt")


def render() -> str:
    """Move some money on a fake store and print what stands there afterwards."""
    scene = Scene()
    scene.wallet("wal_ada")
    scene.wallet("wal_bob", BOB)
    transfers = _move(scene)
    entries = [*scene.store.entries_of("wal_ada"), *scene.store.entries_of("wal_bob")]
    return "\n".join([*_transfers(transfers), *_entries(entries)]) + "\n"


def _move(scene: Scene) -> list[Transfer]:
    credit = scene.credit("k1", "100.00", "wal_ada").transfer
    debit = scene.debit("k2", "0.01", "wal_ada").transfer
    paid = scene.transfer("k3", "30.00", "wal_ada", "wal_bob").transfer
    scene.now_ms += 1000
    undone = scene.reverse("k4", paid.transfer_id).transfer
    scene.now_ms -= 60_000  # a clock that goes backwards
    most = scene.credit("k5", "9" * 36 + ".99", "wal_bob").transfer
    return [credit, debit, paid, undone, most]


def _transfers(transfers: list[Transfer]) -> Iterator[str]:
    for transfer in transfers:
        yield f"{transfer.kind} {format_units(transfer.units, transfer.scale)} {transfer.asset}"
        yield f"  id       {transfer.transfer_id}"
        yield f"  label    {transfer.label}"
        yield f"  time     {to_rfc3339(transfer.created_at_ms)}"
        if transfer.reverses:
            yield f"  reverses {transfer.reverses}"
        for posting in transfer.postings:
            yield f"  posting  {posting.account_id} {format_units(posting.units, transfer.scale)}"
        yield ""


def _entries(entries: list[Entry]) -> Iterator[str]:
    for entry in entries:
        amount, after = (format_units(units, entry.scale) for units in (entry.units, entry.balance_after))
        yield f"{entry.account_id} #{entry.sequence} {to_rfc3339(entry.time_ms)} {entry.kind} {amount} -> {after}"
        yield f"  transfer {entry.transfer_id}"
        yield f"  previous {entry.previous_hash}"
        yield f"  hash     {entry.hash}"
        yield ""


if __name__ == "__main__":
    GOLDEN.write_text(render(), encoding="utf-8")
