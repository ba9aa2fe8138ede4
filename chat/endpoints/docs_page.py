"""The page to try REST with, at /docs, and what every error means, at /docs/errors; self-contained."""

from __future__ import annotations

from html import escape
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chat.errors import CATALOGUE, Problem
from chat.protocols.problem_json import title

FOLDER = Path(__file__).parent / "docs"
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Palaver · errors</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="style.css">
</head>
<body>
<header><h1>Palaver <span>errors</span></h1><nav><a href="../docs">try the API</a></nav></header>
<main>
<p>The same over every door: <code>code</code> and <code>name</code> in a problem document,
<code>code</code> in an error of the socket. A temporary error may be tried again as it is.</p>
<table>
<tr><th>Name</th><th>Code</th><th>HTTP</th><th>Temporary</th><th>What it says</th></tr>
{rows}
</table>
</main>
</body>
</html>
"""
ROW = (
    '<tr id="{name}"><td>{name}</td><td>{number}</td><td>{status}</td><td>{temporary}</td>'
    "<td><strong>{title}.</strong> {detail}</td></tr>"
)


def docs_routes() -> list[Route]:
    """Return the routes of the pages and of what they load; the files are read once, here."""
    return [
        _route("/docs", (FOLDER / "index.html").read_text(), "text/html"),
        _route("/docs/app.js", (FOLDER / "app.js").read_text(), "text/javascript"),
        _route("/docs/style.css", (FOLDER / "style.css").read_text(), "text/css"),
        _route("/docs/errors", errors_page(), "text/html"),
    ]


def errors_page() -> str:
    """Write the catalogue of errors as HTML; a problem's `type` points to its row."""
    return PAGE.format(rows="\n".join(_row(problem) for problem in CATALOGUE))


def _row(problem: type[Problem]) -> str:
    return ROW.format(
        name=escape(problem.name),
        number=problem.number,
        status=problem.status,
        temporary="yes" if problem.temporary else "",
        title=escape(title(problem)),
        detail=escape(problem().detail),
    )


def _route(path: str, text: str, media_type: str) -> Route:
    headers = {"content-security-policy": CONTENT_SECURITY_POLICY, "cache-control": "no-cache"}

    async def serve(_request: Request) -> Response:
        return Response(text, headers=headers, media_type=media_type)

    return Route(path, serve, name=path)
