"""What a ledger must answer: the specification once more, in plain dictionaries, slow on purpose.

It knows nothing of the code under test: it reads JSON documents and hashes with hashlib. It takes
bodies for well formed, since the machines send no others.
"""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

Document = dict[str, Any]
Fact = tuple[str, str, Document]

HELD = {"root", "system", "receipt", "checkpoint"} | {
    *("arbitrator", "cashier", "freezer", "importer", "officer", "registrar", "reviewer"),
}
MOVING = {"arbitrator", "cashier", "importer", "officer", "root"}
# kind: (role tuples, newcomer, risky, what it must expect, sealed names); specification, 9.5.
# "!" after what it must expect: nothing else.
TABLE = """
    publish-policy/1        root                                  -        yes -         -
    register-party/1        party,registrar|party                 party    no  -         -
    add-key/1               party,new                             new      yes party     -
    revoke-key/1            party                                 -        no  party     -
    recover-party/1         new,officer,officer                   new      yes -         -
    object-key-change/1     party                                 -        no  -         -
    complete-key-change/1   system                                -        no  -         -
    cancel-command/1        signer                                -        no  -         -
    grant-role/1            root,grantee|root,grantee,second      -        yes -         -
    withdraw-role/1         root                                  -        yes -         -
    open-namespace/1        root,owner                            -        no  namespace -
    register-item/1         owner                                 -        no  -         name
    transfer-item/1         owner,recipient                       -        yes item      -
    offer-transfer/1        owner                                 -        yes item      -
    accept-transfer/1       recipient                             -        yes item      -
    withdraw-offer/1        owner                                 -        no  item      -
    refuse-offer/1          recipient                             -        no  item      -
    freeze-item/1           freezer                               -        no  -         reason
    unfreeze-item/1         freezer                               -        no  -         reason
    import-sale/1           importer                              -        yes item      -
    claim-imported-party/1  claimant,officer,officer              claimant yes -         -
    publish-trade-policy/1  root                                  -        yes policy/trade! -
    qualify-merchant/1      merchant,reviewer - no merchant,namespace! documents,issuer
    revoke-qualification/1  reviewer                              -        no  !         reason
    publish-listing/1       merchant                              -        no  listing,merchant! -
    end-listing/1           merchant                              -        no  listing!  -
    top-up/1                cashier                               -        yes !         transaction
    pay-out/1               owner,cashier                         -        yes !         account
    register-card/1         owner                                 -        no  !         card,code
    place-in-escrow/1       owner                                 -        yes item!     -
    withdraw-from-escrow/1  owner                                 -        no  item!     -
    place-order/1           buyer                                 -        yes lines!    -
    expire-order/1          system                                -        no  !         -
    pay-order/1             buyer                                 -        yes order!    -
    confirm-payment/1       cashier                               -        yes !         transaction
    deliver-lines/1         agent|merchant                        -        no  !         -
    accept-lines/1          buyer                                 -        no  order!    -
    release-lines/1         system                                -        no  !         -
    refund-lines/1          system                                -        no  !         -
    give-refund/1           merchant                              -        yes order!    -
    open-claim/1            buyer                                 -        no  order!    description
    close-claim/1           buyer|merchant|arbitrator             -        yes claim!    reason
    reveal-card/1           owner                                 -        no  item!     -
    record-activation/1     buyer|system - no item! account,error,evidence
    update-labels/1         system                                -        no  !         -
    report-duplicate/1      system                                -        no  !         -
    record-chargeback/1     cashier                               -        yes !         transaction
    recover-chargeback/1    system                                -        no  !         -
    agree-deposit/1         merchant                              -        no  !         -
    fund-deposit/1          merchant                              -        no  !         -
    request-deposit/1       merchant                              -        no  !         -
    withdraw-deposit/1      merchant                              -        no  !         -
    grant-credit/1          cashier                               -        yes !         reason
    claw-back-credit/1      cashier                               -        yes !         reason
    redeem-credit/1         member                                -        yes !         -
    earn-credit/1           system                                -        no  !         -
    update-level/1          system                                -        no  !         -
    revoke-code/1           owner                                 -        no  item!     -
    check-code/1            party                                 -        no  !         code,item
    answer-check/1          system                                -        no  !         -
"""
KINDS = {row.split()[0]: row.split()[1:] for row in TABLE.strip().splitlines()}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
US = timedelta(microseconds=1)


class No(Exception):
    """The prediction that a command is refused; `str` of it is the code."""


def need(condition: object, code: str) -> None:
    if not condition:
        raise No(code)


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def tagged(tag: str, data: bytes) -> str:
    return hashlib.sha256(f"yinzheng/{tag}/v1\n".encode() + data).hexdigest()


def key_id(key: Document) -> str:
    raw = base64.b64decode(key["public"])
    return tagged("key", key["alg"].encode() + b"\0" + raw)


def us(text: str) -> int:
    return (datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z") - EPOCH) // US


def text(micros: int) -> str:
    return (EPOCH + micros * US).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def stream_of(party: str) -> str:
    return party if party.startswith("imported/") else "party/" + party


class State:
    """Everything that was written so far."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.at = self.size = 0
        self.policy: Document = {}
        self.heads: dict[str, Document] = {}  # stream -> leaf (None until read), command, count
        self.parties: dict[str, Document] = {}
        self.keys: dict[str, str] = {}
        self.namespaces: dict[str, str] = {}
        self.items: dict[str, Document] = {}
        self.commands: dict[tuple[str, str], tuple[str, int]] = {}
        self.published: dict[int, str] = {}
        self.merchants: dict[str, Document] = {}  # namespace, labels, its classes
        self.listings: dict[str, Document] = {}  # the last edit's body, whether it ended
        self.accounts: dict[tuple[str, str], int] = {}  # account, currency
        self.terms: list[tuple[str, int, int]] = []  # trade policies: digest, since, notice days
        self.policies: dict[str, Document] = {}  # trade policies by digest
        self.orders: dict[str, Document] = {}
        self.claims: dict[str, Document] = {}  # order, line, whether it is open
        self.cases: dict[str, Document] = {}  # of orders: chargebacks by number
        self.deposits: dict[str, Document] = {}  # what was agreed, what was asked for, since when
        self.credit: dict[tuple[str, str], int] = {}  # party, unit; below 0 what it owes
        self.levels: dict[str, str] = {}
        self.checks: dict[str, Document] = {}  # what waits for an answer, when wrong ones came
        self.sold: dict[str, dict[str, str]] = {}  # by trade policy: class, sold as card or item


class Parties(State):
    """The rules of every command, and those of parties, keys and roles."""

    def derive(self, command: Document, digest: str, at: int) -> list[Fact]:
        kind, body = command["kind"], command["body"]
        need(kind in KINDS, "unknown-kind")
        tuples, newcomer, risky, expects, sealed = KINDS[kind]
        need(command["log"] == self.origin, "wrong-log")
        signed, until = us(command["at"]), us(command["not_after"])
        need(signed <= until <= signed + 86_400_000_000 and at <= until, "expired")
        need(at >= signed - 300_000_000, "not-yet-valid")
        seen = command["seen"]
        need(seen is None or self.published.get(seen["size"]) == seen["root"], "other-view")
        need(command["policy"] == tagged("policy", canonical(self.policy)), "policy-not-in-force")
        signers = command["signers"]
        roles = ",".join(signer["role"] for signer in signers)
        need(roles in tuples.split("|"), "wrong-signers")
        need(command["by"] in [signer["party"] for signer in signers], "wrong-signers")
        need(len({signer["key"] for signer in signers}) == len(signers), "wrong-signers")
        for signer in signers:
            if signer["role"] != newcomer:
                self.check_signer(signer, at if risky == "yes" else None)
            party = self.parties.get(signer["party"], {"cancelled": ()})
            need(digest not in party["cancelled"], "command-cancelled")
        names = [one["name"] for one in command["sealed"]]
        need(names == ([] if sealed == "-" else sealed.split(",")), "malformed")
        if kind == "import-sale/1":
            self.check_row(body, signers[0]["party"])
        named = [one["stream"] for one in command["expect"]]
        wanted = [] if expects in {"-", "!"} else expects.removesuffix("!").split(",")
        wanted = sorted({name for one in wanted for name in self.wanted(one, body)})
        need(set(wanted) <= set(named), "missing-expectation")
        for one in command["expect"]:
            head = self.heads.get(one["stream"], {"leaf": None, "command": None})
            what = "after" if "after" in one else "leaf"
            found = head["command" if what == "after" else "leaf"]
            known = found is not None or one["stream"] not in self.heads
            need(known and found == one[what], "stale-expectation")
            need(what == "leaf" or found is not None, "stale-expectation")
        need(not expects.endswith("!") or wanted == named, "malformed")
        rule = getattr(self, kind[:-2].replace("-", "_"))
        facts: list[Fact] = rule(command, body, at)
        return facts

    @staticmethod
    def wanted(what: str, body: Document) -> list[str]:
        if what == "party":
            return [stream_of(body["party"])]
        if what == "lines":
            rooms = ("item", "listing", "merchant")
            return [f"{room}/{line[room]}" for line in body["lines"] for room in rooms]
        return [what if "/" in what else f"{what}/{body[what]}"]

    def check_signer(self, signer: Document, risky_at: int | None) -> None:
        need(signer["party"] in self.parties, "unknown-party")
        party = self.parties[signer["party"]]
        need(signer["key"] in self.valid_keys(party), "key-not-valid")
        ready = party["keys"][signer["key"]]["ready"]
        need(risky_at is None or risky_at >= ready, "key-cooling-down")
        need(signer["role"] not in HELD or signer["role"] in party["roles"], "role-missing")

    @staticmethod
    def valid_keys(party: Document) -> list[str]:
        return [key for key, one in party["keys"].items() if not one["revoked"]]

    def fresh(self, body: Document, signer: Document) -> None:
        key = key_id(body["key"])
        need(key not in self.keys, "key-used")
        need((signer["party"], signer["key"]) == (body["party"], key), "wrong-signers")

    def exists(self, name: str) -> Document:
        need(name in self.parties, "unknown-party")
        return self.parties[name]

    def after(self, at: int, delay: str) -> str:
        return text(at + self.policy[delay] * 1_000_000)

    # Parties

    def publish_policy(self, command: Document, body: Document, at: int) -> list[Fact]:
        present = tagged("policy", canonical(self.policy))
        need(body["replaces"] == present, "policy-not-in-force")
        need(tagged("policy", canonical(body["policy"])) != present, "policy-unchanged")
        return [("policy/ledger", "policy-published/1", {})]

    def publish_trade_policy(self, command: Document, body: Document, at: int) -> list[Fact]:
        need((body["replaces"] is None) == (body["effective_at"] is None), "malformed")
        running = [one for one in self.terms if one[1] <= at]
        present = running[-1] if running else (None, 0, 0)
        need(body["replaces"] == present[0], "policy-not-in-force")
        if running:
            fresh = tagged("trade-policy", canonical(body["policy"])) != present[0]
            need(fresh, "policy-unchanged")
            need(running == self.terms, "policy-pending")
            day = 86_400_000_000
            need(us(body["effective_at"]) >= at + present[2] * day, "notice-too-short")
            need(us(body["effective_at"]) <= at + 730 * day, "notice-too-long")
        return [("policy/trade", "trade-policy-published/1", {})]

    def register_party(self, command: Document, body: Document, at: int) -> list[Fact]:
        need(body["party"] != "unknown" and body["party"] not in self.parties, "party-exists")
        alone = len(command["signers"]) == 1
        need(self.policy["registration"] == "open" or not alone, "wrong-signers")
        self.fresh(body, command["signers"][0])
        return [(stream_of(body["party"]), "party-registered/1", {})]

    def add_key(self, command: Document, body: Document, at: int) -> list[Fact]:
        need(command["signers"][0]["party"] == body["party"], "wrong-signers")
        self.fresh(body, command["signers"][1])
        need(len(self.valid_keys(self.parties[body["party"]])) < 100, "too-large")
        data = {"ready": self.after(at, "key_cool_down_s")}
        return [(stream_of(body["party"]), "key-added/1", data)]

    def revoke_key(self, command: Document, body: Document, at: int) -> list[Fact]:
        signer = command["signers"][0]
        need(signer["party"] == body["party"], "wrong-signers")
        party = self.parties[body["party"]]
        need(body["key"] in self.valid_keys(party), "key-not-valid")
        waiting = party["change"]["revokes"] if party["change"] else None
        left = [key for key in self.valid_keys(party) if key not in {body["key"], waiting}]
        need(left or not party["founder"], "last-key")
        stream = stream_of(body["party"])
        if signer["key"] == body["key"]:
            return [(stream, "key-revoked/1", {})]
        need(party["change"] is None, "change-pending")
        due = self.after(at, "key_change_delay_s")
        return [(stream, "key-change-requested/1", {"due": due})]

    def recover_party(self, command: Document, body: Document, at: int) -> list[Fact]:
        party = self.exists(body["party"])
        self.officers(command, body)
        self.fresh(body, command["signers"][0])
        need(party["change"] is None, "change-pending")
        due = self.after(at, "key_change_delay_s")
        return [(stream_of(body["party"]), "key-change-requested/1", {"due": due})]

    def officers(self, command: Document, body: Document) -> None:
        three = {body["party"], *(one["party"] for one in command["signers"][1:])}
        need(len(three) == 3, "wrong-signers")

    def object_key_change(self, command: Document, body: Document, at: int) -> list[Fact]:
        signer = command["signers"][0]
        need(signer["party"] == body["party"], "wrong-signers")
        change = self.exists(body["party"])["change"]
        need(change and change["digest"] == body["change"], "no-such-change")
        need(signer["key"] != change["with"], "wrong-signers")
        return [(stream_of(body["party"]), "key-change-stopped/1", {})]

    def complete_key_change(self, command: Document, body: Document, at: int) -> list[Fact]:
        party, stream = self.exists(body["party"]), stream_of(body["party"])
        change = party["change"]
        need(change and change["digest"] == body["change"], "no-such-change")
        need(body["due"] == text(change["due"]) and at >= change["due"], "change-not-due")
        timer = tagged("timer", canonical([stream, "key-change", body["due"]]))
        need(command["id"] == timer, "malformed")
        if change["adds"]:
            revoked, added = sorted(self.valid_keys(party)), change["adds"]
        else:
            revoked, added = [change["revokes"]], None
        return [(stream, "key-change-completed/1", {"added": added, "revoked": revoked})]

    def cancel_command(self, command: Document, body: Document, at: int) -> list[Fact]:
        target, by = body["command"], command["signers"][0]["party"]
        need(target["log"] == self.origin, "wrong-log")
        need(by in [signer["party"] for signer in target["signers"]], "wrong-signers")
        digest = tagged("command", canonical(target))
        return [(stream_of(by), "command-cancelled/1", {"command": digest})]

    # Roles

    def grant_role(self, command: Document, body: Document, at: int) -> list[Fact]:
        signers, name, role = command["signers"], body["party"], body["role"]
        need(signers[1]["party"] == name, "wrong-signers")
        need(role not in self.exists(name)["roles"], "role-held")
        if len(signers) == 3:
            second = signers[2]["party"]
            need(second not in {signers[0]["party"], name}, "witness-not-independent")
            need(not self.exists(second)["founder"], "witness-not-independent")
        alone = role in MOVING and len(signers) == 2
        founders = {one for one, party in self.parties.items() if party["founder"]}
        others = set(self.keys.values()) - founders - {name, signers[0]["party"]}
        need(not alone or not others, "second-party-needed")
        return [(stream_of(name), "role-granted/1", {"single_handed": alone})]

    def withdraw_role(self, command: Document, body: Document, at: int) -> list[Fact]:
        need(body["role"] in self.exists(body["party"])["roles"], "role-not-held")
        own = command["signers"][0]["party"] == body["party"]
        need(not own or body["role"] != "root", "last-key")
        return [(stream_of(body["party"]), "role-withdrawn/1", {})]

    def open_namespace(self, command: Document, body: Document, at: int) -> list[Fact]:
        need(body["namespace"] not in self.namespaces, "namespace-taken")
        data = {"owner": command["signers"][1]["party"]}
        return [("namespace/" + body["namespace"], "namespace-opened/1", data)]
