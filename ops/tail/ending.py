"""Why following a conversation stops, for good or for a moment, and what to do about it."""

from __future__ import annotations

from enum import IntEnum

from ops.tail.wire import Failure

UNAUTHORIZED = 101
UNKNOWN_CONVERSATION = 102
TOKEN_EXPIRED = 109
CONNECTION_EXPIRED = 3005
INVALID_TOKEN = 3500
TERMINAL_CODES = (range(3500, 4000), range(4500, 5000))

HOW_TO_RENEW = "make a new one with `palaver token --user NAME`"
CHECK_CONVERSATION = (
    "check the id and whose token it is; `curl -H 'Authorization: Bearer …' URL/v1/conversations` lists yours"
)


class ExitCode(IntEnum):
    """What `palaver tail` returns to the shell; 1 is an unexpected failure, 2 a wrong use of the command."""

    DONE = 0
    TOKEN = 3
    CONVERSATION = 4
    STATE = 5
    REFUSED = 6
    REJECTED = 7


class Ending(Exception):
    """The command is over: its exit code, and a text that says why and what to do, empty if all is well."""

    def __init__(self, code: ExitCode, text: str = "") -> None:
        super().__init__(text)
        self.code = code


class Lost(Exception):
    """The connection cannot go on; coming back repairs it. The message says what happened."""


def expired_token() -> Ending:
    """Return the ending of a token whose time is over."""
    return Ending(ExitCode.TOKEN, f"The token has expired: {HOW_TO_RENEW}.")


def refused_token(reason: str) -> Ending:
    """Return the ending of a token that the server does not take."""
    return Ending(ExitCode.TOKEN, f"The server does not accept the token ({reason}): {HOW_TO_RENEW}.")


def unknown_conversation(conversation: str) -> Ending:
    """Return the ending of a conversation that does not exist, or not for this user, or not any more."""
    return Ending(
        ExitCode.CONVERSATION,
        f"There is no conversation {conversation} for this user: {CHECK_CONVERSATION}. "
        "Lines that were not sent are kept.",
    )


def ending_of_failure(failure: Failure, conversation: str) -> Ending | Lost:
    """Return what an error reply means to the whole connection: one to repair by coming back, or the end."""
    if failure.temporary:
        return Lost(f"the server asks for patience ({failure.message})")
    if failure.code == TOKEN_EXPIRED:
        return expired_token()
    if failure.code == UNAUTHORIZED:
        return refused_token(failure.message)
    if failure.code == UNKNOWN_CONVERSATION:
        return unknown_conversation(conversation)
    return Ending(ExitCode.REFUSED, f"The server refused (error {failure.code}, {failure.message}).")


def ending_of_close(code: int, reason: str) -> Ending | Lost:
    """Return what the close of a connection means, by its code: to come back, or the end."""
    if code == CONNECTION_EXPIRED:
        return expired_token()
    if code == INVALID_TOKEN:
        return refused_token(reason)
    if any(code in codes for codes in TERMINAL_CODES):
        return Ending(
            ExitCode.REFUSED,
            f"The server ended the connection for good (code {code}, {reason}). Its log says more; "
            "start again once that is mended.",
        )
    return Lost(f"the connection was closed (code {code}{', ' + reason if reason else ''})")
