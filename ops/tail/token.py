"""The token that says who reads, given as it is or in a file that may be renewed; never shown."""

from __future__ import annotations

from pathlib import Path

import jwt

from ops.tail.ending import HOW_TO_RENEW, Ending, ExitCode


class Token:
    """A token, or the file that holds it. Raises Ending where there is none or it is not a token."""

    def __init__(self, text: str | None, file: Path | None) -> None:
        self._file = file
        self.text = self._read_file() if file is not None else (text or "").strip()
        if not self.text:
            raise Ending(
                ExitCode.TOKEN,
                f"There is no token: give it in PALAVER_TOKEN, or with --token-file; {HOW_TO_RENEW}.",
            )
        self.user = self._subject()

    def renew(self) -> bool:
        """Read the file once more; tell whether it holds another token of the same user by now."""
        if self._file is None:
            return False
        renewed = Token(None, self._file)
        if renewed.user != self.user:
            raise Ending(
                ExitCode.TOKEN,
                f"{self._file} holds a token of {renewed.user} now, no more of {self.user}: start again.",
            )
        changed = renewed.text != self.text
        self.text = renewed.text
        return changed

    def _read_file(self) -> str:
        assert self._file is not None
        try:
            return self._file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Ending(ExitCode.TOKEN, f"The token file {self._file} cannot be read ({error}).") from error

    def _subject(self) -> str:
        # Whose state is used, no more: the server checks the signature.
        try:
            return str(jwt.decode(self.text, options={"verify_signature": False})["sub"])
        except (jwt.InvalidTokenError, KeyError) as error:
            raise Ending(ExitCode.TOKEN, f"That is not a token of a user: {HOW_TO_RENEW}.") from error
