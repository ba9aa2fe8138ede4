"""The program keeps the dependency rule of CONTRIBUTING.md, and what would break it is found."""

from __future__ import annotations

import pytest

from tests.dependency_rule import PROJECT, read_rule

PATTERNS = ("asgi.py", "chat/**/*.py", "storage/**/*.py", "sql/**/*.py", "ops/**/*.py")
LINES_MAX = 350

RULE = read_rule((PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
PROGRAM = sorted(path for pattern in PATTERNS for path in PROJECT.glob(pattern))


def test_the_program_keeps_the_dependency_rule() -> None:
    sources = {str(path.relative_to(PROJECT)): path.read_text(encoding="utf-8") for path in PROGRAM}
    assert "storage/sqlite.py" in sources
    assert [offence for path, source in sources.items() for offence in RULE.offences(path, source)] == []


def test_no_file_of_the_program_is_long() -> None:
    lengths = {str(path.relative_to(PROJECT)): len(path.read_bytes().splitlines()) for path in PROGRAM}
    assert {path: lines for path, lines in lengths.items() if lines > LINES_MAX} == {}


def test_the_tables_are_read_whole() -> None:
    assert [layer.name for layer in RULE.layers] == [
        "ties", "restore", "routes", "endpoints", "protocols", "core", "storage", "sql", "ops",
    ]  # fmt: skip
    assert {name for fence in RULE.fences for name in fence.names} == {
        "starlette", "uvicorn", "databases", "aiosqlite", "sqlite3", "pysqlite3", "sqlalchemy",
        "os.environ", "os.getenv", "asyncio", "socket", "await",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("chat/session.py", "from starlette.requests import Request"),
        ("chat/session.py", "def late():\n    import storage.sqlite"),
        ("chat/session.py", "from chat.endpoints import rest"),
        ("chat/session.py", "from .protocols import problem_json"),
        ("chat/session.py", "from importlib import import_module\nimport_module('ops.metrics')"),
        ("chat/session.py", "import importlib\nimportlib.import_module(name)"),
        ("chat/session.py", "import os\nhome = os.environ['HOME']"),
        ("chat/session.py", "import os as system\nhome = system.getenv('HOME')"),
        ("chat/session.py", "from os import environ"),
        ("chat/session.py", "from chat.models import *"),
        ("chat/session.py", "import sqlite3"),
        ("chat/session.py", "import asgi"),
        ("chat/routes.py", "from chat.protocols import problem_json"),
        ("chat/protocols/frames.py", "import asyncio"),
        ("chat/protocols/frames.py", "from socket import socket"),
        ("chat/protocols/frames.py", "async def decode(): ..."),
        ("chat/protocols/frames.py", "from chat.session import Session"),
        ("chat/endpoints/socket.py", "import storage"),
        ("storage/sqlite.py", "from chat.session import Session"),
        ("storage/sqlite.py", "import ops.metrics"),
        ("sql/__init__.py", "from chat import models"),
        ("sql/loader.py", "from sqlalchemy import text"),
        ("ops/doctor.py", "from uvicorn import Server"),
        ("ops/server.py", "import asgi"),
        ("ops/metrics.py", "from chat.endpoints import rest"),
        ("ops/restore.py", "import msgspec"),
        ("ops/restore.py", "from chat import models"),
        ("ops/restoring/plan.py", "from ops.restore_command import restore"),
        ("ops/restoring/plan.py", "import pysqlite3"),
        ("ops/restoring/binary.py", "import os\nhome = os.environ"),
        ("chat/attic/old.py", "import json"),
        ("asgi.py", "import uvicorn"),
        ("asgi.py", "import tests.support"),
    ],
)  # fmt: skip
def test_what_breaks_the_rule_is_found(path: str, source: str) -> None:
    assert list(RULE.offences(path, source)) != []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("asgi.py", "import os\nfrom starlette.applications import Starlette\nfrom storage import sqlite"),
        ("ops/cli.py", "import asgi\nfrom chat.protocols import problem_json"),
        ("ops/server.py", "import os\nimport uvicorn\npid = os.getpid()"),
        ("ops/restore.py", "import asyncio\nasync def run():\n    await asyncio.sleep(0)"),
        ("ops/restoring/swap.py", "import sqlite3\nfrom ops.restoring.plan import plan"),
        ("chat/endpoints/socket.py", "from starlette.websockets import WebSocket\nimport chat.session"),
        ("chat/settings.py", "import os\nhome = os.environ"),
        ("storage/sqlite.py", "import sqlite3, databases, sql\nfrom chat.models import Event"),
        ("sql/__init__.py", "from sqlalchemy import text"),
    ],
)  # fmt: skip
def test_what_keeps_the_rule_is_let_through(path: str, source: str) -> None:
    assert list(RULE.offences(path, source)) == []
