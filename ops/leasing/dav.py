"""DavObject: the lease object on a WebDAV server (RFC 4918), with the conditions of RFC 9110 §13; and a listing."""

from __future__ import annotations

import re
import ssl
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from itertools import accumulate
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx2
from httpx2 import codes

from ops.leasing.bucket import TAG_SEPARATOR
from ops.leasing.lease_object import NAME, ObjectFailed, Stored

ANSWER_TIMEOUT_S = 4.0
DETAIL_CHARACTERS_MAX = 200

_SCHEMES = {"webdav": "http", "webdavs": "https"}
_HREF = re.compile(r"<(?:\w+:)?href>\s*([^<\s]+)")


class DavFolder:
    """The folder of a replica. `variables` are Litestream's own: its proxy and its certificates count here too.

    Raises ObjectFailed where the certificates cannot be read.
    """

    def __init__(self, place: str, password: str, variables: Mapping[str, str]) -> None:
        parts = urlsplit(place)
        scheme = _SCHEMES[parts.scheme]
        self.root = f"{scheme}://{parts.netloc.rpartition('@')[2]}"
        self.path = f"{parts.path.rstrip('/')}/"
        with _told():
            certificates = ssl.create_default_context(cafile=variables.get("SSL_CERT_FILE"))
        self._options: dict[str, Any] = {
            "base_url": self.root,
            "auth": _Asked(unquote(parts.username), password) if parts.username else None,
            "proxy": variables.get(f"{scheme.upper()}_PROXY"),
            "timeout": ANSWER_TIMEOUT_S,
            "trust_env": False,
            # Whoever compresses an answer may give it another tag, and a weak one.
            "headers": {"Accept-Encoding": "identity"},
            "verify": certificates,
        }

    def names(self) -> list[str]:
        """List what lies directly in the folder, nothing where there is none; blocks, and raises ObjectFailed."""
        with _told(), httpx2.Client(**self._options) as http:
            answer = http.request("PROPFIND", self.path, headers={"Depth": "1"})
            if answer.status_code == codes.NOT_FOUND:
                return []
            _check(answer)
        paths = (unquote(urlsplit(href).path).rstrip("/") for href in _HREF.findall(answer.text))
        return [path.rpartition("/")[2] for path in paths if path != unquote(self.path).rstrip("/")]

    def client(self) -> httpx2.AsyncClient:
        """Open connections to the server."""
        return httpx2.AsyncClient(**self._options)


class DavObject:
    """One file. A server that knows no conditions overwrites all the same: the lease finds that out.

    A server that refuses the very tag that it gives is asked without conditions from then on, and its tags are empty.
    """

    def __init__(self, folder: DavFolder) -> None:
        self._folder = folder
        self._path = f"{folder.path}{NAME}"
        self._tagless = False

    async def read(self) -> Stored | None:
        """Read it; see LeaseObject."""
        with _told():
            async with self._folder.client() as http:
                return await self._read(http)

    async def create(self, body: bytes) -> str | None:
        """Write it where there is none; see LeaseObject."""
        return await self._put(body, {"If-None-Match": "*"})

    async def replace(self, body: bytes, tag: str) -> str | None:
        """Write it over the state `tag`; see LeaseObject."""
        known = tag.partition(TAG_SEPARATOR)[0]
        if not known or self._tagless:
            return await self._put(body, {})
        written = await self._put(body, {"If-Match": known})
        if written is not None:
            return written
        found = await self.read()
        if found is None or found.tag != known:
            return None
        # RFC 9110 §13.1.1: a weak tag matches nothing, not even itself.
        self._tagless = True
        return await self._put(body, {})

    async def overwrite(self, body: bytes) -> str:
        """Write it whatever stands there; see LeaseObject."""
        return await self._put(body, {}) or ""

    async def _put(self, body: bytes, conditions: dict[str, str]) -> str | None:
        with _told():
            async with self._folder.client() as http:
                answer = await http.put(self._path, content=body, headers=conditions)
                if answer.status_code in (codes.NOT_FOUND, codes.CONFLICT):
                    await self._make_folders(http)
                    answer = await http.put(self._path, content=body, headers=conditions)
                if answer.status_code == codes.PRECONDITION_FAILED:
                    return None
                _check(answer)
                # Few servers tell the tag of what they took; whose is read may be of somebody who came after.
                found = await self._read(http)
                return found.tag if found is not None and found.body == body else None

    async def _read(self, http: httpx2.AsyncClient) -> Stored | None:
        answer = await http.get(self._path)
        if answer.status_code == codes.NOT_FOUND:
            return None
        _check(answer)
        return Stored(answer.content, "" if self._tagless else answer.headers.get("ETag", ""))

    async def _make_folders(self, http: httpx2.AsyncClient) -> None:
        """Make the folder and those above it; what is there already is answered with an error, which says nothing."""
        for path in accumulate(f"{name}/" for name in self._folder.path.strip("/").split("/")):
            await http.request("MKCOL", f"/{path}")


class _Asked(httpx2.Auth):
    """Says the password in the way that the server asks for."""

    def __init__(self, user: str, password: str) -> None:
        self._ways = httpx2.DigestAuth(user, password), httpx2.BasicAuth(user, password)
        self._way: httpx2.Auth | None = None

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Ask first, once."""
        if self._way is None:
            answer = yield request
            if answer.status_code != codes.UNAUTHORIZED:
                return
            asked = answer.headers.get("WWW-Authenticate", "").lower()
            self._way = self._ways[0 if "digest" in asked else 1]
        yield from self._way.auth_flow(request)


@contextmanager
def _told() -> Iterator[None]:
    """Turn what HTTP says into one line."""
    try:
        yield
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        first = (str(error) or type(error).__name__).splitlines()[0]
        raise ObjectFailed(first[:DETAIL_CHARACTERS_MAX]) from error


def _check(answer: httpx2.Response) -> None:
    if not answer.is_success:
        raise ObjectFailed(f"{answer.status_code} {answer.reason_phrase}")
