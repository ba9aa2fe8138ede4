"""Where the token comes from, and what is said when it is none."""

from __future__ import annotations

from pathlib import Path

import jwt
import pytest

from ops.tail.ending import Ending, ExitCode
from ops.tail.token import Token


def token_of(user: str, **claims: object) -> str:
    return jwt.encode({"sub": user, **claims}, "a secret that nobody here needs to know", "HS256")


def test_the_user_is_read_from_the_token() -> None:
    assert Token(f" {token_of('alice')}\n", None).user == "alice"


def test_the_file_goes_before_the_variable(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(token_of("bob") + "\n")
    assert Token(token_of("alice"), file).user == "bob"


@pytest.mark.parametrize("text", [None, "", "gibberish", jwt.encode({}, "x" * 40, "HS256")])
def test_without_a_users_token_the_command_says_how_to_get_one_and_not_what_it_got(text: str | None) -> None:
    with pytest.raises(Ending, match="palaver token --user") as ended:
        Token(text, None)
    assert ended.value.code is ExitCode.TOKEN
    assert not text or text not in str(ended.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(Ending, match="nowhere"):
        Token(None, tmp_path / "nowhere")


def test_a_renewed_file_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(token_of("alice"))
    token = Token(None, file)
    assert not token.renew()
    file.write_text(token_of("alice", exp=2_000_000_000))
    assert token.renew()
    assert token.text == token_of("alice", exp=2_000_000_000)


def test_a_renewed_file_of_another_user_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(token_of("alice"))
    token = Token(None, file)
    file.write_text(token_of("bob"))
    with pytest.raises(Ending, match="bob"):
        token.renew()


def test_a_token_that_was_given_as_text_cannot_be_renewed() -> None:
    assert not Token(token_of("alice"), None).renew()
