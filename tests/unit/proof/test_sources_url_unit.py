"""A log over HTTP: answers of every kind, from a server in this process."""

from __future__ import annotations

import io
import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ledger.proof import sources
from ledger.proof.audit import audit
from ledger.proof.errors import VerificationError
from ledger.proof.sources import url_source
from tests.unit.proof.golden_log import VALID, VKEY, files, seen


class Server(ThreadingHTTPServer):
    """Answers with the files it holds; a number is an answer without a file."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.held: dict[str, bytes | int | str] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.go_on = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answers(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers["Accept-Encoding"]))
        found = self.server.held.get(self.path, 404)
        if found == "slow":
            self.server.go_on.wait(3)
        if found == "short":
            self.answer(200, b"abc", length=10)
        elif isinstance(found, str):
            self.answer(302, b"", location=found)
        elif isinstance(found, int):
            self.answer(found, b"")
        else:
            self.answer(200, found)

    def answer(
        self, code: int, data: bytes, *, length: int | None = None, location: str | None = None
    ) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(data) if length is None else length))
        if location is not None:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield running
        running.go_on.set()
        running.shutdown()
        thread.join()


@contextmanager
def raw_server(answer: bytes) -> Iterator[str]:
    """Answer one question with bytes that need not be HTTP."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:

        def run() -> None:
            link, _ = listening.accept()
            with closing(link):
                link.recv(4096)
                link.sendall(answer)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread.join(2)


def fault(url: str) -> tuple[object, ...]:
    with pytest.raises(VerificationError) as raised:
        url_source(url)
    return seen(raised.value)


def said(message: str, field: str, found: str | None = None) -> tuple[object, ...]:
    return ("Unverifiable", "fetch", message, None, None, field, None, found)


@pytest.mark.parametrize("prefix", ["", "/log", "/shop/log", "/BOX"])
@pytest.mark.parametrize("slash", ["", "/", "//"])
def test_a_log_is_read_where_it_is_served_or_one_step_below(
    server: Server, prefix: str, slash: str
) -> None:
    server.held = {f"{prefix}/{name}": data for name, data in files().items()}
    base = server.url + prefix.removesuffix("/log") + slash

    source = url_source(base)
    assert source.checkpoint() == files()["checkpoint"]
    assert len(list(source.entries(57))) == 57


def test_the_whole_report_over_http_is_that_of_the_files(server: Server) -> None:
    server.held = {f"/{name}": data for name, data in files().items()}

    assert audit(url_source(server.url), VKEY).document() == VALID
    assert server.asked[0] == ("/checkpoint", "identity")
    assert {encoding for _, encoding in server.asked} == {"identity"}


def test_where_both_places_serve_the_named_one_counts(server: Server) -> None:
    server.held = {"/checkpoint": b"here", "/log/checkpoint": b"below"}
    assert url_source(server.url).checkpoint() == b"here"


@pytest.mark.parametrize("code", [404, 410])
def test_what_is_not_there_is_no_log(server: Server, code: int) -> None:
    server.held = {"/checkpoint": code, "/log/checkpoint": code}
    url = f"{server.url}/"
    assert fault(url) == said("no log is served there", "url", url)
    assert [path for path, _ in server.asked] == ["/checkpoint", "/log/checkpoint"]


@pytest.mark.parametrize("code", [400, 403, 409, 411, 500, 503])
def test_any_other_answer_is_said(server: Server, code: int) -> None:
    server.held = {"/checkpoint": code}
    assert fault(server.url) == said(f"the server answers {code}", f"{server.url}/checkpoint")


@pytest.mark.parametrize(
    "url", ["ftp://127.0.0.1/", "file:///etc/passwd", "127.0.0.1", "httpss://x", "", "xhttp://x"]
)
def test_no_other_kind_of_address_is_asked(url: str) -> None:
    assert fault(url) == said("the address is neither http nor https", "url", url)


def test_the_kind_of_address_may_be_in_capitals(server: Server) -> None:
    server.held = {"/checkpoint": b"note"}
    assert url_source(server.url.replace("http", "HTTP")).checkpoint() == b"note"


def test_https_is_asked_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []

    def refuse(request: urllib.request.Request, *, timeout: float) -> None:
        asked.append((request.full_url, request.headers, timeout))
        raise OSError("not today")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    assert fault("https://log.example/x") == said(
        "the server cannot be reached: not today", "https://log.example/x/checkpoint"
    )
    headers = {"Accept-encoding": "identity"}
    assert asked == [("https://log.example/x/checkpoint", headers, 30)]


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://127.0.0.1:0", "urlopen error"),
        ("http://[::1/", "Invalid IPv6 URL"),
        ("http://127.0.0.1:x/", "nonnumeric port: 'x'"),
        ("http://a b/", "control characters"),
    ],
)
def test_what_cannot_be_reached_is_said(url: str, told: str) -> None:
    found = fault(url)
    assert found == said(str(found[2]), f"{url.rstrip('/')}/checkpoint")
    assert str(found[2]).startswith("the server cannot be reached: ")
    assert told in str(found[2])


@pytest.mark.parametrize(
    ("answer", "told"), [(b"no http at all\r\n\r\n", "no http at all"), (b"", "closed connection")]
)
def test_an_answer_that_is_not_http_is_said(answer: bytes, told: str) -> None:
    with raw_server(answer) as url:
        found = fault(url)
    assert found == said(str(found[2]), f"{url}/checkpoint")
    assert str(found[2]).startswith("the server cannot be reached: ")
    assert told in str(found[2])


def test_less_than_was_announced_is_said_and_not_taken_for_the_file(server: Server) -> None:
    server.held = {"/checkpoint": "short"}
    assert fault(server.url) == said(
        "the server cannot be reached: IncompleteRead(3 bytes read, 7 more expected)",
        f"{server.url}/checkpoint",
    )


def test_a_server_that_is_silent_is_not_waited_for(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "TIMEOUT_S", 0.1)
    server.held = {"/checkpoint": "slow"}
    assert fault(server.url) == said(
        "the server cannot be reached: timed out", f"{server.url}/checkpoint"
    )


def test_a_huge_answer_is_read_up_to_the_limit_and_refused(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "FILE_BYTES_MAX", 10)
    server.held = {"/checkpoint": b"x" * 10}
    assert url_source(server.url).checkpoint() == b"x" * 10
    for length in (11, 12):
        server.held = {"/checkpoint": b"x" * length}
        assert fault(server.url) == (
            "MalformedEvidence", "fetch", "the file is too large", None, None,
            f"{server.url}/checkpoint", 10, None,
        )  # fmt: skip


def test_no_more_is_read_than_shows_that_it_is_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    class Answer(io.BytesIO):
        length = 0

        def read(self, size: int | None = -1, /) -> bytes:
            asked.append(-1 if size is None else size)
            return super().read(size)

    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: Answer(b"note"))
    assert url_source("http://log.example").checkpoint() == b"note"
    assert asked == [sources.FILE_BYTES_MAX + 1] * 3


def test_less_than_was_announced_is_said_up_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "FILE_BYTES_MAX", 3)
    with raw_server(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nabc") as url:
        told = "the server cannot be reached: IncompleteRead(3 bytes read, 2 more expected)"
        assert fault(url) == said(told, f"{url}/checkpoint")


def test_a_redirect_is_followed_and_one_to_another_kind_of_address_is_not(server: Server) -> None:
    server.held = {"/checkpoint": f"{server.url}/moved", "/moved": b"note"}
    assert url_source(server.url).checkpoint() == b"note"
    server.held = {"/checkpoint": "file:///etc/passwd"}
    assert fault(server.url) == said("the server answers 302", f"{server.url}/checkpoint")
