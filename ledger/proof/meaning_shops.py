"""What merchants and listings must mean together: another reading than that of the rules.

  qualification   a merchant is reviewed by another party, for a namespace that is its own and stays
                  the same; it lists only what it is qualified for at that time, and only there
  listing         an entry names the digest of the very listing that was signed, and the material
                  fields that differ from the edit before; what has ended is not published again
  labels          a merchant has the labels that the trade policy in force gives it by the origins
                  of its qualifications and its deposit, each change is one, and an order copies
                  those that stand

Specification: docs/spec.md section 11.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from ledger.proof.errors import Tampered
from ledger.proof.meaning_terms import TermsMeaning
from ledger.rules.digests import listing_digest

_MATERIAL: Final = ("class", "price", "product", "promises", "region", "validity_days")


@dataclass(slots=True)
class ShopsMeaning:
    """The merchants so far, and the last edit of every listing; None where it has ended."""

    complete: bool = True
    spaces: dict[str, str] = field(default_factory=dict)
    until: dict[tuple[str, str], datetime] = field(default_factory=dict)
    origins: dict[tuple[str, str], str | None] = field(default_factory=dict)
    labels: dict[str, list[str]] = field(default_factory=dict)
    listings: dict[str, dict[str, Any] | None] = field(default_factory=dict)

    def qualify(self, command: dict[str, Any], owners: Mapping[str, str]) -> None:
        """Check the entry of a `qualify-merchant/1`; `owners` are those of namespaces.

        Raises:
            Tampered: An invariant breaks.

        """
        body = command["body"]
        merchant, reviewer = (signer["party"] for signer in command["signers"])
        if merchant != body["merchant"] or reviewer == merchant:
            raise _broken("a merchant was not reviewed by another", body["merchant"], reviewer)
        owner = owners.get(body["namespace"])
        if owner != merchant:
            raise _broken("a merchant took another's namespace", owner, merchant)
        known = self.spaces.setdefault(merchant, body["namespace"])
        if known != body["namespace"]:
            raise _broken("a merchant changed its namespace", known, body["namespace"])
        self.until[merchant, body["class"]] = _moment(body["until"])
        self.origins[merchant, body["class"]] = body["origin"]

    def revoke(self, command: dict[str, Any]) -> None:
        """Remember a `revoke-qualification/1`.

        Raises:
            Tampered: The merchant revoked its own, or there was nothing to revoke.

        """
        body = command["body"]
        if command["signers"][0]["party"] == body["merchant"]:
            raise _broken("a merchant was not reviewed by another", body["merchant"], None)
        if self.until.pop((body["merchant"], body["class"]), None) is None:
            raise _broken("what was revoked was not there", body["class"], None)

    def label(
        self,
        document: dict[str, Any],
        body: dict[str, Any],
        terms: TermsMeaning,
        available: Mapping[str, int],
    ) -> None:
        """Check the entry of an `update-labels/1` under the trade policy in force.

        `available` is what of the merchant's deposit it has not asked for; where the log is not
        whole nobody knows that, and a label that asks for a deposit is not judged.

        Raises:
            Tampered: An invariant breaks.

        """
        name, given, at = body["merchant"], body["labels"], _moment(document["at"])
        if given == self.labels.get(name, []):
            raise _broken("labels changed to what they were", name, given, what="labels")
        policy = terms.in_force(at)[1]
        asked = {each["label"]: each for each in policy["merchant"]["labels"]} if policy else {}
        origins = self._origins(name, at)
        for label in sorted({*asked, *given}):
            may = label in asked and asked[label]["origin"] in origins
            least = asked[label]["deposit_min"] if may else []
            if any(available.get(each["currency"], 0) < int(each["amount"]) for each in least):
                may = not self.complete and label in given
            if may != (label in given):
                raise _broken("a merchant has other labels", label, given, what="labels")
        self.labels[name] = given

    def sells(self, merchant: str, at: datetime) -> bool:
        """Say whether a merchant is qualified for anything at a time."""
        return bool(self._origins(merchant, at))

    def _origins(self, merchant: str, at: datetime) -> set[str | None]:
        """Name the origins of what a merchant is qualified for; None is among them if any is."""
        named: set[str | None] = set()
        for who, item_class in self.origins:
            until = self.until.get((who, item_class), at)
            if who == merchant and at < until:
                named |= {None, self.origins[who, item_class]}
        return named

    def publish(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        """Check the entry of a `publish-listing/1` and remember the listing.

        Raises:
            Tampered: An invariant breaks.

        """
        body, name = command["body"], command["body"]["listing"]
        merchant = command["signers"][0]["party"]
        until = self.until.get((merchant, body["class"]))
        if merchant != body["merchant"] or until is None or until <= _moment(document["at"]):
            raise _broken("a listing without a qualification", body["merchant"], until)
        if name.split("/")[0] != self.spaces[merchant]:
            raise _broken("a listing in another namespace", self.spaces[merchant], name)
        before = self.listings.get(name, body)
        if before is None:
            raise _broken("an ended listing was published again", None, name, what="listing")
        self._check_data(document["data"], body, before)
        self.listings[name] = body

    @staticmethod
    def _check_data(data: dict[str, Any], body: dict[str, Any], before: dict[str, Any]) -> None:
        snapshot = listing_digest(body)
        if data["snapshot"] != snapshot:
            found = data["snapshot"]
            raise _broken("a listing has another digest", snapshot, found, what="listing")
        material = [each for each in _MATERIAL if body[each] != before[each]]
        if data["material"] != material:
            found = data["material"]
            raise _broken("an edit changed other fields", material, found, what="listing")

    def end(self, command: dict[str, Any]) -> None:
        """Remember an `end-listing/1`.

        Raises:
            Tampered: The listing is not there, or is not the signer's.

        """
        name, signer = command["body"]["listing"], command["signers"][0]["party"]
        before = self.listings.get(name)
        merchant = None if before is None else before["merchant"]
        if merchant != signer:
            raise _broken("a listing was ended by another", merchant, signer, what="listing")
        self.listings[name] = None


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")


def _broken(message: str, expected: object, found: object, what: str = "qualification") -> Tampered:
    return Tampered(
        "meaning",
        message,
        field=what,
        expected=None if expected is None else str(expected),
        found=None if found is None else str(found),
    )
