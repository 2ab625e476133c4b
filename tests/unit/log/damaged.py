"""A damaged ledger for tests of the publisher: what stands where, and how it is refused."""

from __future__ import annotations

import pytest

from ledger.log.errors import (
    ReadBackDiffers,
)
from ledger.log.publisher import Publisher
from ledger.record.facts import SealedEntry
from tests.worlds import ORIGIN, World

PUBLISHED = 12
"""Size of the checkpoint; what follows is an import with two effects, then a transfer."""
OWN, EFFECT, LAST = 12, 14, 15


def row_at(world: World, index: int) -> SealedEntry:
    row = world.recorder.entry_at(index)
    assert row is not None
    return row


def refused_by(world: World) -> Publisher:
    """A publisher that has seen nothing yet."""
    return Publisher(world.recorder, world.tree_signer(), ORIGIN, world.vkey)


def publish_damaged(world: World) -> ReadBackDiffers:
    """Publish and be refused; nothing more is published or stored than before."""
    before = list(world.reader.checkpoint_sizes())
    with pytest.raises(ReadBackDiffers) as refused:
        refused_by(world).publish()
    assert list(world.reader.checkpoint_sizes()) == before
    assert world.recorder.tile(0, 0) is None
    return refused.value


def facts(error: ReadBackDiffers) -> tuple[int, str, object, object]:
    return error.index, error.field, error.expected, error.found
