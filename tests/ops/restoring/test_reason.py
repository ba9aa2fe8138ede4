"""What Litestream says of a store that refuses is told in one line, though it says it in many."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.restoring.litestream import Litestream
from ops.restoring.place import Place
from ops.restoring.refusal import Refused

RULE = "-" * 80
AZURES = f"""\
time=2026-11-29T08:15:33Z level=WARN msg="something before"
Error: abs: cannot list blobs: GET https://me.blob.core.windows.net/box
{RULE}
RESPONSE 404: 404 The specified container does not exist.
ERROR CODE: ContainerNotFound
{RULE}
<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Error>
  <Code>ContainerNotFound</Code>
Time:2026-11-29T08:15:34Z</Message>
</Error>
{RULE}
"""
TOLD = (
    "abs: cannot list blobs: GET https://me.blob.core.windows.net/box "
    "RESPONSE 404: 404 The specified container does not exist. ERROR CODE: ContainerNotFound"
)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (AZURES, TOLD),
        ("Error: one line\n", "one line"),
        ("panic\nlast words\n", "last words"),
        ("", "Litestream gave no reason"),
    ],
)
def test_the_reason_is_one_line(said: str, told: str, tmp_path: Path) -> None:
    binary = tmp_path / "litestream"
    binary.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{said}END\nexit 1\n")
    binary.chmod(0o700)
    place = Place(data=tmp_path, replica="abs://box", litestream=str(binary))
    with pytest.raises(Refused) as refused:
        Litestream(place, "main").files()
    assert str(refused.value) == f"abs://box/main cannot be read: {told}."
