"""Getting a party of this folder ready to act: registered, with a role, owning a namespace.

Each step looks first whether it was done, so that a run that was killed is simply run again.
"""

from __future__ import annotations

from api.config import KEYS_FOLDER
from api.custody import key_file
from api.desk import Hand, Order, send
from api.house import House, own_key
from ledger.errors import KeyFileInvalid
from ledger.record.reader import LedgerReader
from ledger.rules.errors import NamespaceTaken, SecondPartyNeeded
from ledger.rules.model import MOVES_PROPERTY
from ledger.rules.state import Namespace, Party
from ledger.rules.text import party_stream
from ledger.signer import LocalSigner, load_signer

OPERATOR = "operator"


def party_state(house: House, party: str) -> Party | None:
    """Return keys and roles of a party, None when it is not registered."""
    found = house.ledger.stream(party_stream(party))
    return found.state if found is not None and isinstance(found.state, Party) else None


def root_hand(house: House, role: str) -> Hand:
    """Return the operator's hand, as `root` or `registrar`."""
    return Hand(OPERATOR, role, house.signer(OPERATOR))


def enrol(house: House, party: str, *, class_: str) -> LocalSigner:
    """Register a party of this folder, making its key, unless it is registered already.

    Args:
        house: The ledger; its operator is the registrar.
        party: Its key lies in `keys/PARTY.pem`.
        class_: `member`, `merchant` or `service`.

    Raises:
        KeyFileInvalid: The party is registered with keys that are not in this folder.

    """
    known = party_state(house, party)
    if known is None:
        key = own_key(house.folder, party, random=house.random)
        hands = [Hand(party, "party", key), root_hand(house, "registrar")]
        body = {"class": class_, "key": key.key(), "party": party}
        send(house, Order("register-party/1", hands, body))
        return key
    key = house.signer(party)
    registered = known.key(key.key_id)
    if registered is None or registered.revoked:
        raise KeyFileInvalid(
            f"the key in this folder is not a valid key of {party}",
            file=str(key_file(house.folder, party)),
        )
    return key


def grant(house: House, party: str, role: str, *, second: Hand | None = None) -> None:
    """Give a party of this folder a role, unless it holds it already.

    Args:
        house: The ledger; its operator is root.
        party: Its key lies in `keys/PARTY.pem`.
        role: A grantable role.
        second: Who signs beside; found among the keys of the folder when None and needed.

    Raises:
        SecondPartyNeeded: The role moves property and nobody independent is at hand to sign.

    """
    known = party_state(house, party)
    if known is not None and known.holds(role):
        return
    hands = [root_hand(house, "root"), Hand(party, "grantee", house.signer(party))]
    if second is None and role in MOVES_PROPERTY and _others_exist(house, party):
        second = find_second(house, besides=party)
        if second is None:
            raise SecondPartyNeeded(
                f"{role} can move property: an independent party must sign too, and none has its "
                f"key in {house.folder / KEYS_FOLDER}",
                role=role,
                do=f"yinzheng keys grant {party} {role} --second PARTY --second-key FILE "
                f"--dir {house.folder}",
            )
    if second is not None:
        hands.append(Hand(second.party, "second", second.key))
    send(house, Order("grant-role/1", hands, {"party": party, "role": role}))


def open_namespace(house: House, namespace: str, owner: str) -> None:
    """Open a namespace for a party of this folder, unless it owns it already.

    Raises:
        NamespaceTaken: Another party owns it.

    """
    stream = f"namespace/{namespace}"
    found = house.ledger.stream(stream)
    if found is not None and isinstance(found.state, Namespace):
        if found.state.owner == owner:
            return
        raise NamespaceTaken(
            f"{namespace} is owned by {found.state.owner}; choose another namespace",
            namespace=namespace,
            owner=found.state.owner,
        )
    hands = [root_hand(house, "root"), Hand(owner, "owner", house.signer(owner))]
    send(house, Order("open-namespace/1", hands, {"namespace": namespace}, expect={stream: None}))


def find_second(house: House, *, besides: str) -> Hand | None:
    """Find an independent party whose key lies in this folder and may act now."""
    for path in sorted((house.folder / KEYS_FOLDER).glob("*.pem")):
        try:
            key = load_signer(path)
        except KeyFileInvalid:
            # Somebody else's file; it cannot sign for anybody.
            continue
        party = _holder(house.recorder, key)
        state = None if party is None else party_state(house, party)
        if party in {None, besides} or state is None or state.founder:
            continue
        registered = state.key(key.key_id)
        if registered and not registered.revoked and registered.ready <= house.clock.now():
            return Hand(state.party, "second", key)
    return None


def _holder(recorder: LedgerReader, key: LocalSigner) -> str | None:
    found = recorder.find_key(bytes.fromhex(key.key_id))
    return None if found is None else found.party


def _others_exist(house: House, party: str) -> bool:
    return house.recorder.other_party_exists({party, *house.ledger.opened().founders})
