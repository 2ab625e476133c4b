"""A person's own keys, and what they open: `yinzheng keystore` and `yinzheng entry`."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from api.config import read_config
from api.demo import keep_key
from api.folder import LedgerFolder
from api.keystore import Keystore, keystore_of
from api.signatures import Target, sign_request
from ledger.errors import KeyFileInvalid
from ledger.rules.errors import Malformed
from ledger.signer import LocalSigner, load_signer
from tests.cli.running import Program

KEY = LocalSigner.from_seed(bytes(range(32)))


@pytest.fixture(scope="module")
def market(program: Program, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A ledger with a shop and ann, whose keys are in the keystore, and the shop's item."""
    folder = tmp_path_factory.mktemp("market") / "ledger"
    program.json("init", "--dir", folder)
    for party in ("shop", "ann"):
        program.json("keys", "register", party, "--dir", folder)
        program.json("keystore", "import", party, folder / "keys" / f"{party}.pem", "--dir", folder)
    program.json("item", "namespace", "cards", "shop", "--dir", folder)
    where = ("--class", "point-card", "--name", "the hidden name")
    done = program.json("item", "register", "cards/1", "--as", "shop", *where, "--dir", folder)
    return folder, done["index"]


def test_the_subject_opens_its_field_here_and_over_the_network(
    program: Program, market: tuple[Path, int]
) -> None:
    folder, index = market
    vkey = f"@{folder / 'vkey'}"
    ask = ("entry", "disclosures", index, "--as", "shop")

    here = program.json(*ask, "--dir", folder)
    with program.serving("serve", "--dir", folder) as (ready, _):
        there = program.json(*ask, "--url", ready["url"], "--vkey", vkey)
        trusting = program.json(*ask, "--url", ready["url"].replace("127.0.0.1", "localhost"))
        shown = program(*ask, "--url", ready["url"], "--vkey", vkey)

    assert here == there == trusting
    (found,) = here["disclosures"]
    assert (found["name"], found["value"], found["state"]) == ("name", "the hidden name", "open")
    assert (shown.code, shown.out) == (0, "name of shop: the hidden name\n")


def test_another_party_opens_nothing(program: Program, market: tuple[Path, int]) -> None:
    folder, index = market
    ask = ("entry", "disclosures", index, "--as", "ann", "--json")

    with program.serving("serve", "--dir", folder) as (ready, _):
        there = program(*ask, "--url", ready["url"])
        nowhere = program(
            "entry", "disclosures", 999, "--as", "ann", "--url", ready["url"], "--json"
        )
    here = program(*ask, "--dir", folder)

    assert (here.code, here.error["code"]) == (2, "not-authorised")
    assert (there.code, there.error["code"]) == (2, "not-authorised")
    assert (nowhere.code, nowhere.error["code"]) == (2, "entry-not-found")
    assert "hidden" not in here.out + here.err + there.out + there.err


def test_a_party_without_a_key_in_the_keystore_is_told(
    program: Program, market: tuple[Path, int]
) -> None:
    folder, index = market

    ran = program("entry", "disclosures", index, "--as", "bob", "--dir", folder, "--json")

    assert (ran.code, ran.error["code"]) == (2, "key-file-invalid")
    assert "yinzheng keystore import" in ran.error["message"]


def test_a_key_under_another_partys_name_opens_nothing(
    program: Program, market: tuple[Path, int], tmp_path: Path
) -> None:
    folder, index = market
    before = program.env
    program.env = {**before, "YINZHENG_KEYSTORE": str(tmp_path)}
    try:
        stolen = folder / "keys" / "ann.pem"
        program.json("keystore", "import", "shop", stolen, "--dir", folder)
        ran = program("entry", "disclosures", index, "--as", "shop", "--dir", folder, "--json")
    finally:
        program.env = before

    assert (ran.code, ran.error["code"], ran.error["party"]) == (2, "key-not-valid", "shop")


def test_a_revoked_key_opens_nothing(program: Program, tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    program.json("init", "--dir", folder)
    shop = program.json("keys", "register", "shop", "--dir", folder)
    program.json("item", "namespace", "cards", "shop", "--dir", folder)
    where = ("--class", "point-card", "--name", "hidden", "--dir", folder)
    index = program.json("item", "register", "cards/1", "--as", "shop", *where)["index"]
    program.json("keystore", "import", "shop", folder / "keys" / "shop.pem", "--dir", folder)
    program.json("keys", "new", "shop-2", "--dir", folder)
    program.json("keys", "add", "shop", "shop-2", "--dir", folder)
    program.json("keys", "revoke", "shop", shop["key"], "--dir", folder)
    ask = ("entry", "disclosures", index, "--as", "shop", "--json")

    here = program(*ask, "--dir", folder)
    with program.serving("serve", "--dir", folder) as (ready, _):
        there = program(*ask, "--url", ready["url"])

    assert (here.code, here.error["code"]) == (2, "key-not-valid")
    assert (there.code, there.error["code"]) == (2, "request-signature-invalid")


def test_a_log_and_a_place_must_be_named_once(program: Program, market: tuple[Path, int]) -> None:
    folder, index = market
    for arguments in (
        ("entry", "disclosures", index, "--as", "shop"),
        ("entry", "disclosures", index, "--as", "shop", "--dir", folder, "--url", "http://x"),
        ("keystore", "list"),
        ("keystore", "list", "--dir", folder, "--vkey", f"@{folder / 'vkey'}"),
    ):
        ran = program(*arguments, "--json")
        assert (ran.code, ran.error["code"]) == (2, "usage"), arguments


def test_a_server_that_is_not_there_is_unavailable(program: Program) -> None:
    ran = program("entry", "disclosures", 1, "--as", "ann", "--url", "http://127.0.0.1:9", "--json")

    assert (ran.code, ran.error["code"]) == (69, "not-reached")


def test_a_server_of_another_log_is_refused(
    program: Program, market: tuple[Path, int], imported: Path
) -> None:
    folder, index = market
    vkey = f"@{imported / 'vkey'}"

    with program.serving("serve", "--dir", folder) as (ready, _):
        ask = ("entry", "disclosures", index, "--as", "shop", "--url", ready["url"])
        ran = program(*ask, "--vkey", vkey, "--json")

    assert (ran.code, ran.error["code"]) == (4, "other-log")


def get(url: str, headers: dict[str, str]) -> int:
    """Send a request as it was signed, and return the status."""
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - our own server
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - likewise
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_of_two_servers_of_a_ledger_one_answers_a_request(
    program: Program, market: tuple[Path, int]
) -> None:
    folder, index = market
    path, key = f"/v1/entries/{index}/disclosures", load_signer(folder / "keys" / "shop.pem")
    target = Target("GET", "https", "shop.example", path)
    origin = read_config(folder).origin
    serve = ("serve", "--dir", folder, "--public-url", "https://shop.example")

    with program.serving(*serve) as (one, _), program.serving(*serve) as (two, _):
        for number in range(5):
            now = int(time.time()) * 1_000_000
            nonce = f"{number:032x}"
            signed = sign_request(target, key, origin=origin, created=now, nonce=nonce)
            urls = [f"{each['url']}{path}" for each in ([one, two] if number % 2 else [two, one])]
            with ThreadPoolExecutor(2) as pool:
                assert sorted(pool.map(get, urls, [signed] * 2)) == [200, 401]
            assert [get(url, signed) for url in urls] == [401, 401]


def test_a_public_url_is_what_requests_must_name(
    program: Program, market: tuple[Path, int]
) -> None:
    folder, index = market
    ask = ("entry", "disclosures", index, "--as", "shop", "--json")

    options = ("--public-url", "https://shop.example/")
    with program.serving("serve", "--dir", folder, *options) as (ready, _):
        ran = program(*ask, "--url", ready["url"])

    assert (ran.code, ran.error["code"]) == (2, "request-signature-invalid")


@pytest.mark.parametrize(
    "text",
    ["shop.example", "ftp://shop.example", "https://Shop.example", "https://a/?b", "https://"],
)
def test_what_is_no_public_url_is_refused(
    program: Program, market: tuple[Path, int], text: str
) -> None:
    ran = program("serve", "--dir", market[0], "--public-url", text, "--json")

    assert (ran.code, ran.error["code"]) == (2, "usage")
    assert "--public-url" in ran.error["message"]


def test_the_keystore_is_listed_without_private_parts(
    program: Program, market: tuple[Path, int]
) -> None:
    folder, _ = market

    by_folder = program.json("keystore", "list", "--dir", folder)
    by_key = program.json("keystore", "list", "--vkey", f"@{folder / 'vkey'}")

    assert by_folder == by_key
    assert [(key["party"], key["alg"], key["fault"]) for key in by_folder["keys"]] == [
        ("ann", "ed25519", None),
        ("shop", "ed25519", None),
    ]
    store = Path(by_folder["folder"])
    assert store.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in store.iterdir()} == {0o600}
    for path in store.iterdir():
        assert path.read_text().splitlines()[1] not in json.dumps(by_folder)


def test_a_key_is_never_replaced(program: Program, market: tuple[Path, int]) -> None:
    folder, _ = market
    other = folder / "keys" / "ann.pem"

    ran = program("keystore", "import", "shop", other, "--dir", folder, "--json")

    assert (ran.code, ran.error["code"]) == (2, "key-file-invalid")
    assert "left alone" in ran.error["message"]


def test_a_keystore_inside_the_ledgers_folder_is_refused(
    program: Program, market: tuple[Path, int]
) -> None:
    folder, _ = market
    before = program.env
    program.env = {**before, "YINZHENG_KEYSTORE": str(folder / "keys")}
    try:
        own = folder / "keys" / "ann.pem"
        ran = program("keystore", "import", "ann", own, "--dir", folder, "--json")
    finally:
        program.env = before

    assert (ran.code, ran.error["code"]) == (2, "usage")
    assert "inside the ledger's folder" in ran.error["message"]
    assert [path.suffix for path in (folder / "keys").iterdir() if path.is_dir()] == []


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    store = Keystore(tmp_path / "store")
    path = store.add("ann", KEY)
    path.chmod(0o640)

    with pytest.raises(KeyFileInvalid, match="others can read the key file; chmod 600 it"):
        store.load("ann")


def test_a_keystore_that_others_can_look_into_is_refused(tmp_path: Path) -> None:
    store = Keystore(tmp_path / "store")
    store.add("ann", KEY)
    store.folder.chmod(0o755)

    for act in (lambda: store.load("ann"), lambda: store.add("bob", KEY)):
        with pytest.raises(KeyFileInvalid, match="chmod 700 it"):
            act()
    assert not store.file("bob").exists()


def test_a_party_of_imported_history_has_a_file_too(tmp_path: Path) -> None:
    store = Keystore(tmp_path)
    tmp_path.chmod(0o700)
    store.add("imported/old/0x1", KEY)

    assert store.file("imported/old/0x1").name == "imported+old+0x1.pem"
    assert store.parties() == ["imported/old/0x1"]
    assert store.load("imported/old/0x1").key_id == KEY.key_id


@pytest.mark.parametrize("party", ["../ann", "a/b", "", "a+b", "imported/old/../x"])
def test_no_name_leads_out_of_the_keystore(tmp_path: Path, party: str) -> None:
    with pytest.raises(Malformed):
        Keystore(tmp_path).load(party)


def test_each_log_has_a_keystore_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    name = "a948904f2f0f479b8f8197694b30184b0d2ed1c1cd2a1ec0fb85d299a192a447"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("YINZHENG_KEYSTORE", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    # SHA-256 of "hello world\n", an origin for nobody.
    assert keystore_of("hello world\n").folder == tmp_path / ".config" / "yinzheng" / name
    monkeypatch.setenv("XDG_CONFIG_HOME", "/config")
    assert keystore_of("hello world\n").folder == Path("/config/yinzheng") / name
    monkeypatch.setenv("YINZHENG_KEYSTORE", "/keys")
    assert keystore_of("hello world\n").folder == Path("/keys") / name


def test_the_demo_leaves_a_key_that_is_there_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("YINZHENG_KEYSTORE", str(tmp_path / "keystores"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with LedgerFolder.create(tmp_path / "ledger", origin="again.example/demo") as house:
        store = keystore_of(house.origin)
        store.add("ann", KEY)
        other = LocalSigner.from_seed(bytes(32))

        for party in ("ann", "bob", "bob"):
            keep_key(house, party, other)

        assert store.load("ann").key_id == KEY.key_id
        assert store.load("bob").key_id == house.signer("bob").key_id == other.key_id
