"""The application behind a real server, over real sockets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from api.actors import Actor
from api.app import create_app
from api.client import LedgerClient
from api.submitting import BODY_BYTES_MAX
from tests.api.serving import furnish, house_of
from tests.api.signing import headers_for, path_of, seal_about
from tests.databases import sqlite_file_url
from tests.worlds import World

HEAD = b"POST /v1/commands HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, int]]:
    folder: Path = tmp_path_factory.mktemp("running")
    with World.create(sqlite_file_url(folder), "running") as world:
        furnish(world)
        app = create_app(house_of(world, folder), publish_every_s=0)
        listening = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield world, listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(timeout=20)
            listening.close()


def exchange(port: int, *parts: bytes) -> bytes:
    """Send raw bytes and return the answer's first lines; a server that hangs up is no fault."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        try:
            for part in parts:
                connection.sendall(part)
        except ConnectionError:
            pass
        answer = b""
        try:
            while b"\r\n\r\n" not in answer and (read := connection.recv(65_536)):
                answer += read
        except ConnectionError:
            pass
    return answer


def test_a_client_writes_and_reads_over_the_network(running: tuple[World, int]) -> None:
    world, port = running
    carl, operator = (Actor(name, world.key(name)) for name in ("carl", "operator"))
    with LedgerClient(
        f"http://127.0.0.1:{port}", vkey=world.vkey, clock=world.clock, random=world.dice
    ) as client:
        size = world.size()
        client.register_party(carl, registrar=operator)
        client.transfer("cards/2", Actor("shop", world.key("shop")), carl)
        item = client.item("cards/2")
        proof = client.proof("cards/1")

    assert item["owner"] == "carl"
    assert world.size() == size + 2
    assert proof.startswith(b"c2sp.org/tlog-proof@v1\n")


def test_many_clients_at_once_are_all_answered(running: tuple[World, int]) -> None:
    world, port = running
    size = world.size()
    failures: list[BaseException] = []

    def work(number: int) -> None:
        name, operator = f"many-{number}", Actor("operator", world.key("operator"))
        try:
            with LedgerClient(
                f"http://127.0.0.1:{port}", vkey=world.vkey, clock=world.clock
            ) as client:
                client.register_party(Actor(name, keys[number]), registrar=operator)
                assert client.party(name)["party"] == name
        except BaseException as error:  # a thread must not swallow it
            failures.append(error)

    keys = [world.key(f"many-{number}") for number in range(8)]
    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert world.size() == size + 8


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: %d\r\n\r\n" % (BODY_BYTES_MAX + 1),
        b"Content-Length: 99999999999999\r\n\r\n",
    ],
)
def test_an_announced_length_is_refused_before_the_body(
    running: tuple[World, int], headers: bytes
) -> None:
    answer = exchange(running[1], HEAD + headers)

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"application/problem+json" in answer


def test_a_chunked_body_that_is_too_large_is_cut_off(running: tuple[World, int]) -> None:
    chunk = b"100000\r\n" + b" " * (1 << 20) + b"\r\n"
    size = running[0].size()

    answer = exchange(running[1], HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 9)

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert running[0].size() == size


@pytest.mark.parametrize(
    "request_",
    [
        HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Content-Length: 0x2\r\n\r\n{}",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        HEAD + b"Content-Length: 2\r\n\r\n{}",
        HEAD + b"Content-Length: 0\r\n\r\n",
        b"GET /v1/entries/%ff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/items/cards/%00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/items/cards/%E2%80%AE HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/items/../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET //v1/log HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/log?%ff=%fe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /log/tile/0/%30%30%30 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/items/cards/1?" + b"a=1&" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"BREW /v1/log HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
    ],
)
def test_strange_requests_are_answered_with_4xx(
    running: tuple[World, int], request_: bytes
) -> None:
    world, port = running
    size = world.size()

    answer = exchange(port, request_, b"\r\n\r\n")

    assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))
    assert world.size() == size


def test_a_client_that_hangs_up_leaves_the_server_well(running: tuple[World, int]) -> None:
    world, port = running
    size = world.size()
    for part in (b"", b"POST", HEAD + b"Content-Length: 100\r\n\r\n{"):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(part)

    assert exchange(port, b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    assert world.size() == size


SECRET = b"what only ann may read"


@pytest.fixture(scope="module")
def secret(running: tuple[World, int]) -> str:
    """Where a sealed field about ann lies."""
    return path_of(seal_about(running[0], "cards/secret", "ann", SECRET.decode()).index)


def raw_get(world: World, port: int, path: str, **changes: bytes) -> bytes:
    """Write a signed request by hand: `more` lines, another `start`, `end`."""
    signed = headers_for(world, path, world.key("ann"), host=f"127.0.0.1:{port}")
    lines = [f"{name}: {value}".encode() for name, value in signed.items()]
    start = changes.get("start", f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}".encode())
    head = b"\r\n".join([start, *lines, changes.get("more", b"Connection: close")])
    return head + b"\r\n\r\n" + changes.get("end", b"")


def whole(port: int, request: bytes) -> bytes:
    """Send a request and read until the server hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        answer = b""
        try:
            connection.sendall(request)
            while read := connection.recv(65_536):
                answer += read
        except ConnectionError:
            pass
    return answer


def test_a_signed_request_written_by_hand_is_answered(
    running: tuple[World, int], secret: str
) -> None:
    world, port = running

    answer = whole(port, raw_get(world, port, secret))

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert SECRET in answer


def test_a_target_with_the_whole_address_opens_nothing(
    running: tuple[World, int], secret: str
) -> None:
    world, port = running
    host = f"Host: 127.0.0.1:{port}".encode()
    for address in (f"http://127.0.0.1:{port}", "http://evil.example"):
        start = f"GET {address}{secret} HTTP/1.1\r\n".encode() + host

        answer = whole(port, raw_get(world, port, secret, start=start))

        assert answer.startswith(b"HTTP/1.1 404 "), address
        assert SECRET not in answer


@pytest.mark.parametrize(
    "more",
    [
        b"Host: evil.example\r\nConnection: close",
        b"Signature-Input: sig=()\r\nConnection: close",
        b"Signature: sig=:AAAA:\r\nConnection: close",
        b"Content-Digest: sha-256=:AAAA:\r\nConnection: close",
        b"signature: x\r\nSIGNATURE: y\r\nConnection: close",
    ],
)
def test_a_field_that_came_twice_opens_nothing(
    running: tuple[World, int], secret: str, more: bytes
) -> None:
    world, port = running

    answer = whole(port, raw_get(world, port, secret, more=more))

    assert answer.startswith(b"HTTP/1.1 4")
    assert SECRET not in answer


@pytest.mark.parametrize("form", ["chunked", "length"])
def test_a_body_behind_a_signed_request_opens_nothing(
    running: tuple[World, int], secret: str, form: str
) -> None:
    world, port = running
    more, end = {
        "chunked": (b"Transfer-Encoding: chunked", b"2\r\n{}\r\n0\r\n\r\n"),
        "length": (b"Content-Length: 2", b"{}"),
    }[form]
    request = raw_get(world, port, secret, more=more + b"\r\nConnection: close", end=end)

    answer = whole(port, request)

    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"content-digest" in answer
    assert SECRET not in answer


@pytest.mark.parametrize("method", [b"get", b"Get", b"POST", b"OPTIONS", b"TRACE"])
def test_another_method_opens_nothing(
    running: tuple[World, int], secret: str, method: bytes
) -> None:
    world, port = running
    start = method + f" {secret} HTTP/1.1\r\nHost: 127.0.0.1:{port}".encode()

    answer = whole(port, raw_get(world, port, secret, start=start))

    assert answer.startswith(b"HTTP/1.1 4")
    assert SECRET not in answer


def test_a_field_of_a_megabyte_opens_nothing_and_harms_nobody(
    running: tuple[World, int], secret: str
) -> None:
    world, port = running
    for name in (b"Signature-Input", b"Signature", b"Content-Digest", b"X"):
        more = name + b": " + b"a" * (1 << 20) + b"\r\nConnection: close"

        answer = whole(port, raw_get(world, port, secret, more=more))

        assert SECRET not in answer
        assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer[:80]
    assert SECRET in whole(port, raw_get(world, port, secret))
