"""The child's lines become ours: the right level, its fields, no secret, no line too long."""

from __future__ import annotations

import asyncio
import logging

import pytest

from ops.supervising.log import LINE_BYTES_MAX, LitestreamLog


async def read(log: LitestreamLog, text: bytes) -> None:
    stream = asyncio.StreamReader()
    stream.feed_data(text)
    stream.feed_eof()
    await log.read(stream)


async def test_levels_and_fields_are_kept(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "palaver.litestream")
    lines = (
        b'{"time":"t","level":"INFO","msg":"compaction complete","level":1,"db":"main.db"}\n'
        b'{"time":"t","level":"ERROR","msg":"sync error","error":"no room","name":"x"}\nplain words\n'
    )
    log = LitestreamLog(())
    await read(log, lines)
    seen = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert seen == [("DEBUG", "compaction complete"), ("ERROR", "sync error"), ("WARNING", "plain words")]
    assert vars(caplog.records[0])["db"] == "main.db"
    assert vars(caplog.records[1])["name_"] == "x"
    assert log.last == "sync error: no room; plain words"


async def test_secrets_are_taken_out(caplog: pytest.LogCaptureFixture) -> None:
    log = LitestreamLog(("hidden-secret", "hidden"))
    await read(log, b'{"level":"ERROR","msg":"403 for hidden-secret","error":"hidden"}\nwith hidden-secret')
    assert "hidden" not in caplog.text
    assert "hidden" not in log.last
    assert "hidden" not in str([vars(record) for record in caplog.records])


async def test_a_line_without_an_end_does_not_fill_memory(caplog: pytest.LogCaptureFixture) -> None:
    await read(LitestreamLog(()), b"x" * (3 * LINE_BYTES_MAX) + b"\nend\n")
    assert max(len(record.getMessage()) for record in caplog.records) <= LINE_BYTES_MAX
    assert caplog.records[-1].getMessage() == "end"
