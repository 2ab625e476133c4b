"""The slow model: predicts the answer to every command, and who holds what after every entry."""

from __future__ import annotations

import json
from typing import Any

from tests.simulation.codes import Codes
from tests.simulation.oracle import (
    Document,
    Fact,
    No,
    canonical,
    key_id,
    need,
    stream_of,
    tagged,
    us,
)

Hold = tuple[str, bool]  # owner, frozen
ORDERED = {
    *("item-reserved/1", "item-freed/1", "item-sold/1", "card-revealed/1", "item-flagged/1"),
    *("code-revoked/1", "code-verified/1"),
}


class Model(Codes):
    """A whole log as it must be."""

    def __init__(self, origin: str) -> None:
        super().__init__(origin)
        self.holds: dict[str, list[tuple[int, Hold]]] = {}  # item -> (index, what held from it on)
        self.entries: list[Fact] = []
        # Commitment of a card -> its product and key, where a registry is to tell them apart.
        self.secrets: dict[str, tuple[str, str]] = {}
        self.registered: dict[tuple[str, str], str] = {}  # product and key -> merchant

    def submit(self, raw: bytes, *, now: int, flaw: str | None = None) -> tuple[str, Any]:
        """Predict: ("accepted", index), ("again", index) or ("refused", code).

        `flaw` is what is wrong beside the command itself: the code that the ledger answers with.
        """
        command, digest = json.loads(raw), tagged("command", raw)
        known = self.commands.get((command["by"], command["id"]))
        if known is not None:
            same = known[0] == digest
            return ("again", known[1]) if same else ("refused", "command-conflict")
        at = max(now, self.at)
        try:
            facts = self.derive(command, digest, at)
            need(flaw is None, str(flaw))
            if command["kind"] == "cancel-command/1":
                target = command["body"]["command"]
                need((target["by"], target["id"]) not in self.commands, "already-appended")
            if command["kind"] == "register-card/1":
                self.tell_apart(command)
        except No as refused:
            return "refused", str(refused)
        self.append(command, digest, facts, at)
        return "accepted", self.size - len(facts)

    def tell_apart(self, command: Document) -> None:
        """Refuse a key that was registered, in words that tell a stranger nothing."""
        key = self.secrets.get(command["body"]["card"])
        if key is not None:
            owner, party = self.registered.get(key), command["signers"][0]["party"]
            need(owner is None, "card-duplicate" if owner == party else "card-rejected")
            self.registered[key] = party

    def open(self, raw: bytes, at: int) -> None:
        """Take entry 0 as given."""
        command = json.loads(raw)
        facts: list[Fact] = [("log", "ledger-opened/1", {})]
        for founder in command["body"]["parties"]:
            role = founder["role"]
            roles = ["registrar", "root"] if role == "root" else [role]
            data = {"key": founder["key"], "party": founder["party"], "roles": roles}
            facts.append((stream_of(founder["party"]), "party-opened/1", data))
        self.policy = command["body"]["policy"]
        self.append(command, tagged("command", raw), facts, at)

    def append(self, command: Document, digest: str, facts: list[Fact], at: int) -> None:
        """Write the entries of an accepted command."""
        self.commands[(command["by"], command["id"])] = digest, self.size
        self.at = at
        for stream, type_, data in facts:
            count = self.heads[stream]["count"] + 1 if stream in self.heads else 1
            self.heads[stream] = {"leaf": None, "command": digest, "count": count}
            self.entries.append((stream, type_, data))
            self.fold(stream, type_, data, command, digest)
            if stream.startswith("item/"):
                item = self.items[stream[5:]]
                now = (self.size, (item["owner"], item["frozen"]))
                self.holds.setdefault(stream[5:], []).append(now)
            self.size += 1

    def held_after(self, item: str, index: int) -> Hold | None:
        """Say who held an item after an entry, and whether it was frozen."""
        before = [hold for since, hold in self.holds.get(item, []) if since <= index]
        return before[-1] if before else None

    def fold(self, stream: str, type_: str, data: Document, command: Document, digest: str) -> None:
        """Change what one entry changes; specification, section 10.2."""
        body = command["body"]
        if stream.startswith("item/"):
            self.fold_item(stream[5:], type_, data, body, digest)
        elif stream.startswith(("balance/", "credit/", "deposit/")):
            self.fold_account(stream, data)
        elif stream.startswith("order/"):
            self.fold_order(stream[6:], type_, data, command)
        elif stream.startswith("claim/"):
            self.fold_claim(stream[6:], type_, data, body)
        elif stream.startswith("checks/"):
            self.fold_checks(stream[7:], data, command)
        elif stream.startswith(("merchant/", "listing/")):
            self.fold_shop(type_, body)
        elif stream.startswith("namespace/"):
            self.namespaces[body["namespace"]] = data["owner"]
        elif stream.startswith("policy/"):
            self.fold_policy(type_, body)
        elif stream.startswith(("party/", "imported/")):
            self.fold_party(stream.removeprefix("party/"), type_, data, command, digest)

    def fold_policy(self, type_: str, body: Document) -> None:
        """Change what a policy changes: of the ledger, or of trade."""
        if type_ == "policy-published/1":
            self.policy = body["policy"]
            return
        since = us(body["effective_at"]) if body["effective_at"] else self.at
        digest = tagged("trade-policy", canonical(body["policy"]))
        self.terms.append((digest, since, body["policy"]["notice_days"]))
        self.policies[digest] = body["policy"]
        self.sold[digest] = {one["class"]: one["sells"] for one in body["policy"]["classes"]}

    def fold_account(self, stream: str, data: Document) -> None:
        """Change what an account holds; what a trade moved stands in the trade's own entry."""
        self.fold_postings(data.get("postings", []))
        if stream.startswith("deposit/"):
            self.fold_deposit(stream[8:], data)
        elif stream.startswith("credit/"):
            self.fold_credit(stream[7:], data)

    def fold_item(self, name: str, type_: str, data: Document, body: Document, digest: str) -> None:
        new = {"frozen": False, "offer": None, "sales": [], "owner": "unknown", "last": None}
        imported = type_ == "sale-presented/1"
        item = self.items.setdefault(name, new | {"imports_only": imported})
        if imported:
            item["sales"].append(data["identity"])
            item["last"] = us(body["time"])
        elif type_ in {"item-registered/1", "item-first-seen/1", "card-registered/1"}:
            item["owner"] = data["owner"]
            if type_ == "card-registered/1":
                self.fold_goods(item, type_, body)
        elif type_ in ORDERED:
            self.fold_ordered(item, type_, data)
        elif type_ in {"item-escrowed/1", "item-withdrawn/1", "activation-recorded/1"}:
            self.fold_goods(item, type_, body)
        elif type_ in {"sale-imported/1", "provenance-gap-recorded/1"}:
            item["owner"] = data["to"]
        elif type_ == "item-transferred/1":
            item.update(owner=data["to"], offer=None, imports_only=False)
        elif type_ == "transfer-offered/1":
            offer = {"digest": digest, "to": body["to"], "until": us(body["until"])}
            item.update(offer=offer, imports_only=False)
        elif type_ == "offer-ended/1":
            item["offer"] = None
        else:
            item.update(offer=None, frozen=type_ == "item-frozen/1")

    def fold_party(
        self, name: str, type_: str, data: Document, command: Document, digest: str
    ) -> None:
        body = command["body"]
        if type_ in {"party-opened/1", "party-registered/1", "imported-party-claimed/1"}:
            founder = type_ == "party-opened/1"
            self.parties[name] = {
                "keys": {},
                "roles": set(data.get("roles", [])),
                "founder": founder,
                "change": None,
                "cancelled": set(),
            }
            ready = us(data["ready"]) if "ready" in data else self.at
            self.learn_key(name, data["key"] if founder else body["key"], ready)
        elif type_ == "key-added/1":
            self.learn_key(name, body["key"], us(data["ready"]))
        elif type_ == "role-granted/1":
            self.parties[name]["roles"].add(body["role"])
        elif type_ == "role-withdrawn/1":
            self.parties[name]["roles"].remove(body["role"])
        elif type_ == "level-changed/1":
            self.levels[name] = body["level"]
        elif type_ == "command-cancelled/1":
            self.parties[name]["cancelled"].add(data["command"])
        else:
            self.fold_change(name, type_, data, command, digest)

    def fold_change(
        self, name: str, type_: str, data: Document, command: Document, digest: str
    ) -> None:
        party, body = self.parties[name], command["body"]
        if type_ == "key-revoked/1":
            party["keys"][body["key"]]["revoked"] = True
        elif type_ == "key-change-requested/1":
            recovery = command["kind"] == "recover-party/1"
            change = {
                "digest": digest,
                "with": command["signers"][0]["key"],
                "due": us(data["due"]),
                "revokes": None if recovery else body["key"],
                "adds": key_id(body["key"]) if recovery else None,
            }
            party["change"] = change
            if recovery:
                # Registered for ever, and nobody's to use until the change is complete.
                self.keys[change["adds"]] = name
        else:
            if type_ == "key-change-completed/1":
                for key in data["revoked"]:
                    party["keys"][key]["revoked"] = True
                if data["added"]:
                    ready = {"ready": party["change"]["due"], "revoked": False}
                    party["keys"][data["added"]] = ready
            party["change"] = None

    def learn_key(self, name: str, key: Document, ready: int) -> None:
        self.keys[key_id(key)] = name
        self.parties[name]["keys"][key_id(key)] = {"ready": ready, "revoked": False}
