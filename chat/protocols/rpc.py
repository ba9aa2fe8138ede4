"""The methods that the socket's `rpc` calls: which name and which JSON makes which command."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

import msgspec

from chat.commands import (
    AddMember,
    Command,
    CreateConversation,
    DeleteConversation,
    DeleteMessage,
    EditMessage,
    GetConversation,
    GetMessage,
    ListConversations,
    ListMembers,
    MarkRead,
    ReadEvents,
    ReadHistory,
    ReadPresence,
    RemoveMember,
    SendMessage,
    ShowTyping,
    UpdateConversation,
    UpdateMember,
    WriteCommand,
    WriteInConversation,
)
from chat.errors import MethodNotFound, NotAvailable
from chat.protocols.malformed import UNREADABLE, malformed


class Leave(WriteInConversation, frozen=True, kw_only=True):
    """Leave the conversation; an owner hands over to the admin or member who has been there longest."""


METHODS: Mapping[str, type[Command]] = {
    "send": SendMessage,
    "edit": EditMessage,
    "delete": DeleteMessage,
    "read": MarkRead,
    "typing": ShowTyping,
    "history": ReadHistory,
    "events": ReadEvents,
    "message": GetMessage,
    "conversations": ListConversations,
    "conversation": GetConversation,
    "create_conversation": CreateConversation,
    "update_conversation": UpdateConversation,
    "delete_conversation": DeleteConversation,
    "members": ListMembers,
    "add_member": AddMember,
    "update_member": UpdateMember,
    "remove_member": RemoveMember,
    "leave": Leave,
    "presence": ReadPresence,
}
NOT_OFFERED = frozenset({"react", "sync"})
"""Methods that the protocol knows and this server does not have."""

WRITES = frozenset(name for name, command in METHODS.items() if command in (*get_args(WriteCommand), Leave))
"""Methods whose command is queued for the writer, so that starting one waits for nothing."""

_NO_DATA = (b"", b"null")
_DECODERS = {method: msgspec.json.Decoder(command) for method, command in METHODS.items()}


def decode_rpc(method: str, data: msgspec.Raw | bytes, user: str) -> Command:
    """Read the command that `user` asks for; data that is absent or null is an empty object.

    Raises MethodNotFound, NotAvailable, or BadRequest with the place of what is wrong.
    """
    decoder = _DECODERS.get(method)
    if decoder is None:
        raise NotAvailable if method in NOT_OFFERED else MethodNotFound
    try:
        command = decoder.decode(data)
    except UNREADABLE as error:
        if bytes(data) in _NO_DATA:
            return decode_rpc(method, b"{}", user)
        raise malformed(error) from error
    return _removal(command, user) if isinstance(command, Leave) else command


def _removal(leave: Leave, user: str) -> RemoveMember:
    key = leave.idempotency_key
    return RemoveMember(conversation_id=leave.conversation_id, user=user, idempotency_key=key)
