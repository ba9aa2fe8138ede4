"""Ids: what cannot be one is unknown, and a key comes back from the database to the byte."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.errors import Unknown
from chat.ids import conversation_id_of, key_from_column, key_to_column, persona_of, uuid_of

NAME = "0192f0c0-1234-7abc-8def-0123456789ab"


@pytest.mark.parametrize("persona", ["main", "a", "7", "marvin_the-2nd", "x" * 63])
def test_the_persona_of_an_id_is_what_stands_before_the_colon(persona: str) -> None:
    assert persona_of(f"{persona}:{NAME}") == persona


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "main",
        "main:",
        NAME,
        f":{NAME}",
        f"Main:{NAME}",
        f"-main:{NAME}",
        f"_main:{NAME}",
        f"{'x' * 64}:{NAME}",
        f"ma.in:{NAME}",
        f"../main:{NAME}",
        f"main/:{NAME}",
        f"main\x00:{NAME}",
        f"m\u00e4in:{NAME}",
        f" main:{NAME}",
        f"main\n:{NAME}",
        f"main:{NAME}\n",
        f"main:{NAME} ",
        f"main::{NAME}",
        f"main:{NAME.upper()}",
        f"main:{NAME.replace('-', '')}",
        f"main:{{{NAME}}}",
        f"main:{NAME[:-1]}",
        f"main:{NAME}0",
        f"main:{NAME[:-1]}g",
        f"main:{NAME[:-1]}\u0661",
    ],
)
def test_what_cannot_be_an_id_is_unknown(text: str) -> None:
    with pytest.raises(Unknown):
        persona_of(text)


def test_an_id_is_written_as_it_was_read() -> None:
    text = f"main:{NAME}"
    assert uuid_of(text) == uuid.UUID(NAME).bytes
    assert conversation_id_of("main", uuid_of(text)) == text


@given(st.text(st.characters(exclude_categories=["Cs"])) | st.uuids().map(str))
def test_any_key_comes_back_to_the_byte(key: str) -> None:
    assert key_from_column(key_to_column(key)) == key


def test_only_a_uuid_in_its_usual_form_is_shortened() -> None:
    assert key_to_column(NAME) == uuid.UUID(NAME).bytes
    for key in (NAME.upper(), NAME.replace("-", ""), f"{{{NAME}}}", f"{NAME}\n", f" {NAME}", "k"):
        assert key_to_column(key) == key
