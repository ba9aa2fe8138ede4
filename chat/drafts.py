"""Turns a command into a draft: everything about it that can be refused without asking the database."""

from __future__ import annotations

import time
from hashlib import blake2b

import msgspec

from chat.commands import (
    AddMember,
    CreateConversation,
    EditMessage,
    RemoveMember,
    SendMessage,
    UpdateConversation,
    UpdateMember,
    WriteCommand,
    check_content,
    check_key,
    check_user,
    encode_json,
)
from chat.errors import BadRequest, LimitExceeded
from chat.models import Json, User
from chat.settings import Settings
from chat.store import Draft

ATTACHMENTS_MAX = 16
ASSISTANT = "assistant"
FINGERPRINT_BYTES = 16

_encode = msgspec.msgpack.Encoder().encode


class Drafter:
    """Checks commands against the settings' limits and writes their drafts."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def draft(self, user: User, command: WriteCommand) -> Draft:
        """Check `command`; raises BadRequest, TooLarge or LimitExceeded."""
        match command:
            case SendMessage():
                return self._send(user, command)
            case EditMessage():
                return self._edit(user, command)
            case CreateConversation():
                return self._create(user, command)
            case UpdateConversation():
                return self._update(user, command)
            case AddMember() | UpdateMember() | RemoveMember():
                check_user(command.user)
        return self._plain(user, command)

    def _send(self, user: User, command: SendMessage) -> Draft:
        check_key(command.client_message_id)
        check_content(command.content, self._settings.content_bytes_max)
        _check_line(command.content_type)
        if not command.content and not command.attachments:
            raise BadRequest("a message has content or attachments")
        if command.role != "user" and ASSISTANT not in user.scopes:
            raise BadRequest("only a token with the scope `assistant` may set role")
        attachments = self._attachments(command.attachments)
        metadata = self._metadata(command.metadata)
        fingerprint = _digest(command.content, command.content_type, command.reply_to, attachments, metadata)
        return Draft(user.id, command, _now_ms(), fingerprint, attachments, metadata)

    def _edit(self, user: User, command: EditMessage) -> Draft:
        _check_optional_key(command.idempotency_key)
        check_content(command.content, self._settings.content_bytes_max)
        if command.content_type is not msgspec.UNSET:
            _check_line(command.content_type)
        attachments = None if command.attachments is msgspec.UNSET else self._attachments(command.attachments)
        metadata = None if command.metadata is msgspec.UNSET else self._metadata(command.metadata)
        return Draft(user.id, command, _now_ms(), _digest_of(command), attachments, metadata)

    def _create(self, user: User, command: CreateConversation) -> Draft:
        _check_optional_key(command.idempotency_key)
        check_user(user.id)
        _check_line(command.kind)
        if len({user.id, *command.members}) > self._settings.members_max:
            raise LimitExceeded(f"a conversation has at most {self._settings.members_max} members")
        for member in command.members:
            check_user(member)
        metadata = self._metadata(command.metadata)
        members = sorted({user.id, *command.members})
        fingerprint = _digest(command.kind, command.title, members, metadata)
        return Draft(user.id, command, _now_ms(), fingerprint, None, metadata)

    def _update(self, user: User, command: UpdateConversation) -> Draft:
        _check_optional_key(command.idempotency_key)
        if command.title is msgspec.UNSET and command.metadata is msgspec.UNSET:
            raise BadRequest("name a title or metadata to change")
        metadata = None if command.metadata is msgspec.UNSET else self._metadata(command.metadata)
        return Draft(user.id, command, _now_ms(), _digest_of(command), None, metadata)

    def _plain(self, user: User, command: WriteCommand) -> Draft:
        key = getattr(command, "idempotency_key", None)
        _check_optional_key(key)
        return Draft(user.id, command, _now_ms(), _digest_of(command) if key is not None else b"")

    def _attachments(self, attachments: list[dict[str, Json]] | None) -> bytes | None:
        if not attachments:
            return None
        if len(attachments) > ATTACHMENTS_MAX:
            raise LimitExceeded(f"a message has at most {ATTACHMENTS_MAX} attachments")
        return encode_json(attachments, "attachments", self._settings.attachments_bytes_max)

    def _metadata(self, metadata: dict[str, Json] | None) -> bytes | None:
        return encode_json(metadata, "metadata", self._settings.metadata_bytes_max)


def _check_optional_key(key: str | None) -> None:
    if key is not None:
        check_key(key)


def _check_line(name: str) -> None:
    # The `$` of a pattern lets one line break pass at the end.
    if name.endswith("\n"):
        raise BadRequest("a kind or content type has no line break")


def _digest_of(command: msgspec.Struct) -> bytes:
    """Digest what a command asks for: all but its key and the version that its author saw."""
    asked = msgspec.to_builtins(command)
    asked.pop("idempotency_key", None)
    asked.pop("version", None)
    return _digest(type(command).__name__, msgspec.json.encode(asked, order="deterministic"))


def _digest(*parts: object) -> bytes:
    return blake2b(_encode(parts), digest_size=FINGERPRINT_BYTES).digest()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
