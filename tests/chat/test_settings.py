from __future__ import annotations

import msgspec
import pytest

from chat.settings import PREFIX, BadSetting, Settings, described, knobs

NUMBERS = [name for name, hint in knobs().items() if described(hint)[0] in (int, float)]


def refusal(**given: str) -> str:
    """Return what the start says of an environment that it refuses."""
    with pytest.raises(BadSetting) as refused:
        Settings.from_environment({PREFIX + name.upper(): text for name, text in given.items()})
    return str(refused.value)


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("text", ["1" + "0" * 20, "inf", "1e308", "nan"])
def test_a_number_that_no_setting_can_have_is_refused_by_name(name: str, text: str) -> None:
    assert refusal(**{name: text}).startswith(f"{PREFIX}{name.upper()}='{text}' cannot be used: Expected")


@pytest.mark.parametrize("name", NUMBERS)
def test_each_number_has_a_least_and_a_most_and_the_default_lies_between(name: str) -> None:
    _, meta = described(knobs()[name])
    assert meta.ge is not None
    assert meta.le is not None
    assert meta.ge <= getattr(Settings(), name) <= meta.le


@pytest.mark.parametrize("name", NUMBERS)
def test_the_least_and_the_most_themselves_are_taken(name: str) -> None:
    plain, meta = described(knobs()[name])
    for bound in (meta.ge, meta.le):
        taken = Settings.from_environment({PREFIX + name.upper(): str(bound)})
        assert getattr(taken, name) == bound
        assert type(getattr(taken, name)) is plain


@pytest.mark.parametrize(
    ("name", "most"),
    [("port", 65_535), ("readers", 64), ("send_buffer_bytes", 2**31 - 1), ("wal_bytes_max", 2**40)],
)
def test_what_is_beyond_the_most_is_refused_with_the_most(name: str, most: int) -> None:
    assert f"Expected `int` <= {most}" in refusal(**{name: str(most + 1)})


def test_a_yes_or_no_that_is_neither_is_told_the_default_in_the_same_words() -> None:
    assert refusal(compress="maybe") == (
        "PALAVER_COMPRESS='maybe' cannot be used: write yes or no. Unset it for the default, no."
    )


def test_a_default_of_another_kind_is_told_as_it_would_be_written() -> None:
    assert refusal(port="70000") == (
        "PALAVER_PORT='70000' cannot be used: Expected `int` <= 65535. Unset it for the default, 8000."
    )
    assert refusal(log_format="xml").endswith("Unset it for the default, auto.")


def test_every_field_of_the_settings_is_a_knob() -> None:
    assert set(knobs()) == {field.name for field in msgspec.structs.fields(Settings)}
