"""WebDAV servers whose tags are no use: the lease is weak there, and neither lost nor taken without a look."""

from __future__ import annotations

from collections.abc import AsyncIterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import msgspec
import pytest

from chat.settings import Settings
from ops.leasing.lease import HELD, LOST, OTHERS, Lease, Written
from ops.leasing.lease_object import LeaseObject
from ops.leasing.place import lease_object
from tests.support.lease_object import holder
from tests.support.ports import LOOPBACK

STRONG, WEAK, NONE = '"{}"', 'W/"{}"', ""


class Shelf(ThreadingHTTPServer):
    """One file over HTTP, with conditions compared strongly (RFC 9110 §13.1.1), and tags of one form."""

    def __init__(self, form: str) -> None:
        super().__init__((LOOPBACK, 0), Verbs)
        self.form = form
        self.body: bytes | None = None
        self.writes = 0
        self.encodings: set[str | None] = set()

    @property
    def tag(self) -> str:
        return self.form.format(self.writes)

    def refuses(self, verb: BaseHTTPRequestHandler) -> bool:
        """Tell whether the conditions of a write are not met."""
        wanted = verb.headers.get("If-Match")
        if wanted is not None and (wanted != self.tag or wanted.startswith("W/")):
            return True
        return verb.headers.get("If-None-Match") == "*" and self.body is not None


class Verbs(BaseHTTPRequestHandler):
    server: Shelf

    def do_GET(self) -> None:
        self.server.encodings.add(self.headers.get("Accept-Encoding"))
        self._answer(404 if self.server.body is None else 200, self.server.body or b"")

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.refuses(self):
            return self._answer(412)
        self.server.body = body
        self.server.writes += 1
        return self._answer(204)

    def log_message(self, *_: object) -> None:
        """Write no line for each request."""

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        if self.server.tag:
            self.send_header("ETag", self.server.tag)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
async def shelf(request: pytest.FixtureRequest) -> AsyncIterator[Shelf]:
    server = Shelf(request.param)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def lease_on(shelf: Shelf, host: str) -> Lease:
    return Lease(object_on(shelf), holder(host), read_back_after_s=0.0)


def object_on(shelf: Shelf) -> LeaseObject:
    found = lease_object(Settings(replica=f"webdav://{LOOPBACK}:{shelf.server_port}/chat"))
    assert found is not None
    return found


@pytest.mark.parametrize("shelf", [WEAK, NONE], indirect=True)
async def test_where_tags_are_no_use_the_lease_is_weak_and_kept(shelf: Shelf) -> None:
    first, second = (lease_on(shelf, host) for host in ("anna", "bert"))

    for _ in range(3):
        await first.check()
        await second.check()
        assert (first.state, second.state) == (HELD, OTHERS)
    assert first.weak

    await first.release()
    await second.check()
    await first.check()
    assert (first.state, second.state) == (OTHERS, HELD)


@pytest.mark.parametrize("shelf", [WEAK, NONE], indirect=True)
async def test_where_tags_are_no_use_a_lease_that_was_taken_is_not_written_over(shelf: Shelf) -> None:
    lease = lease_on(shelf, "anna")
    await lease.check()
    others = msgspec.json.encode(Written(holder=holder("bert")))
    shelf.body, shelf.writes = others, shelf.writes + 1

    await lease.check()

    assert lease.state == LOST
    assert shelf.body == others


@pytest.mark.parametrize("shelf", [STRONG], indirect=True)
async def test_a_server_whose_tags_become_weak_is_found_out_by_the_next_renewal(shelf: Shelf) -> None:
    lease = lease_on(shelf, "anna")
    await lease.check()
    assert not lease.weak

    shelf.form = WEAK
    await lease.check()
    await lease.check()

    assert (lease.state, lease.weak) == (HELD, True)


@pytest.mark.parametrize("shelf", [STRONG], indirect=True)
async def test_a_server_with_good_tags_holds_a_strong_lease_and_is_asked_for_no_compression(
    shelf: Shelf,
) -> None:
    first, second = (lease_on(shelf, host) for host in ("anna", "bert"))
    for _ in range(3):
        await first.check()
        await second.check()

    assert (first.state, first.weak, second.state) == (HELD, False, OTHERS)
    assert shelf.encodings == {"identity"}
