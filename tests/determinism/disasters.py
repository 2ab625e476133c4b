"""What befalls whole machines: kills, power cuts, clocks, old copies put back, flipped bits."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from tests.determinism.node import MARK, Node

if TYPE_CHECKING:
    from tests.determinism.world import Simulation

CUT_US = 15_000_000
FLIPPED = ("entry", "leaf", "command", "stream", "type", "seq")


def kill(_sim: Simulation, node: Node) -> None:
    """End a process."""
    if node.alive:
        node.die()
        node.bury()


def cut_off(sim: Simulation, node: Node) -> None:
    """Let nobody reach a node for a while."""
    node.cut_until = sim.now + sim.dice["faults"].randint(0, CUT_US)


def cut_power(sim: Simulation, _node: Node) -> None:
    """End every process, and lose what the disk had not synced."""
    for node in sim.nodes:
        kill(sim, node)
    sim.disk.power_cut(sim.dice["disk"])
    if sim.options.database == "file":
        sim.server.restart()


def jump(sim: Simulation, node: Node) -> None:
    """Set a clock to another time."""
    node.clock.jump(sim.dice["clock"])


def begin_term(_sim: Simulation, node: Node) -> None:
    """Let a node become the leader."""
    if node.ready and not node.busy("term"):
        node.raise_term()


def restart_database(sim: Simulation, _node: Node) -> None:
    """Take the database down and up again."""
    sim.server.restart()


def fail_over(sim: Simulation, _node: Node) -> None:
    """Lose the primary, and go on with the standby: what nobody waited for may be gone."""
    if sim.options.database == "server" and sim.damage is None and not sim.judge.rolled_back:
        size = sim.server.fail_over()
        lost = sim.judge.fail_over(sim.server.database.entries)
        sim.faults["failover that lost something"] += lost > 0
        sim.tell(f"failed over to {size}, {lost} lost")


def cut_off_standby(sim: Simulation, _node: Node) -> None:
    """Let the standby fall behind: whoever waits for it is cancelled, and knows nothing."""
    sim.server.alone_until = sim.now + sim.dice["faults"].randint(0, CUT_US)
    sim.recover()


STRIKES: dict[str, Callable[[Simulation, Node], None]] = {
    "node cut off": cut_off,
    "database restarted": restart_database,
    "node killed": kill,
    "power cut": cut_power,
    "clock jumps": jump,
    "new term": begin_term,
    "failover": fail_over,
    "standby cut off": cut_off_standby,
}


def restore(sim: Simulation) -> bool:
    """Put an old copy of the database in place, smaller than what was signed; say whether."""
    marked = _size(sim.disk.durable(MARK))
    if marked <= sim.begun_at:
        return False
    for node in sim.nodes:
        kill(sim, node)
    sim.server.restart()
    database = sim.server.database
    # Each command here is one entry, so that every size is one at which a copy can be made.
    size = sim.dice["faults"].randrange(sim.begun_at, marked)
    database.cut(size, size)
    sim.judge.roll_back(database.entries)
    sim.net.on_the_way.clear()
    for client in sim.clients:
        client.forget()
    sim.tell(f"restored to {size}, mark {marked}")
    return True


def _size(mark: bytes | None) -> int:
    return int((mark or b"0 ").split(b" ")[0])


def flip(sim: Simulation) -> bool:
    """Flip one bit of a row that nobody has signed yet; say whether there was one."""
    database = sim.server.database
    # A mark may be ahead of the last signature: that tree was about to be signed.
    first = max(*sim.judge.signed, _size(sim.disk.names[MARK].cached))
    if first >= len(database.entries) or any(node.busy("keep") for node in sim.nodes):
        return False
    dice = sim.dice["faults"]
    index = dice.randrange(first, len(database.entries))
    row = database.entries[index]
    column = dice.choice(FLIPPED)
    database.entries[index] = row._replace(**{column: _flipped(getattr(row, column), dice)})
    sim.damage = (index, row)
    sim.judge.forbidden_from = index + 1
    sim.tell(f"flips a bit of {column} of entry {index}")
    return True


def _flipped(value: bytes | str | int, dice: Random) -> bytes | str | int:
    if isinstance(value, int):
        return value ^ 1 << dice.randrange(8)
    data = bytearray(value.encode() if isinstance(value, str) else value)
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(7)
    return data.decode() if isinstance(value, str) else bytes(data)
