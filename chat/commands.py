"""Everything that can be asked, whatever the wire: one struct per command, with the limits that need no setting."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec

from chat.archive import ArchivedConversation, ArchivedMessage
from chat.errors import BadRequest, TooLarge
from chat.models import SEQ_MAX, Json, RowId

KEY_BYTES_MAX = 128
USER_BYTES_MAX = 250  # "user:<id>" must fit a channel name of 255 bytes
JSON_DEPTH_MAX = 32
VERSION = re.compile(r"\A[a-z0-9]{1,32}\.[0-9]{1,16}\Z")

Seq = Annotated[int, msgspec.Meta(ge=1, le=SEQ_MAX)]
Offset = Annotated[int, msgspec.Meta(ge=0, le=SEQ_MAX)]
Limit = Annotated[int, msgspec.Meta(ge=1, le=SEQ_MAX)]
Title = Annotated[str, msgspec.Meta(max_length=200)]
Kind = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
ContentType = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9.+/_-]{0,63}$")]
EpochName = Annotated[str, msgspec.Meta(max_length=64)]
VersionName = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]{1,32}\.[0-9]{1,16}$")]
MemberRole = Literal["admin", "member"]
MessageRole = Literal["user", "assistant", "system", "tool"]
Durability = Literal["committed", "replicated"]
JsonObject = dict[str, Json]


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One request of one user. Unknown fields are ignored; who asks is never a field."""


class InConversation(Command, frozen=True, kw_only=True):
    """A command about one conversation, `<persona>:<uuid>`."""

    conversation_id: str


class WriteInConversation(InConversation, frozen=True, kw_only=True):
    """A command that changes a conversation. The same `idempotency_key` gives the first answer again."""

    idempotency_key: str | None = None


class CreateConversation(Command, frozen=True, kw_only=True):
    """Open a conversation between its creator, who becomes the owner, and `members`.

    The same `idempotency_key` gives the first answer again; `first_sent_epoch` is as in SendMessage.
    """

    members: list[str] = []
    title: Title | None = None
    kind: Kind = "group"
    metadata: JsonObject | None = None
    idempotency_key: str | None = None
    first_sent_epoch: EpochName | None = None


class UpdateConversation(WriteInConversation, frozen=True, kw_only=True):
    """Change the title or the metadata; what is absent stays, null removes."""

    title: Title | None | msgspec.UnsetType = msgspec.UNSET
    metadata: JsonObject | None | msgspec.UnsetType = msgspec.UNSET
    version: VersionName | None = None


class DeleteConversation(WriteInConversation, frozen=True, kw_only=True):
    """Hide the conversation from everybody; its rows are kept."""


class AddMember(WriteInConversation, frozen=True, kw_only=True):
    """Make `user` a member."""

    user: str
    role: MemberRole = "member"


class UpdateMember(WriteInConversation, frozen=True, kw_only=True):
    """Give a member another role; a new owner leaves the old one an admin."""

    user: str
    role: Literal["owner", "admin", "member"]


class RemoveMember(WriteInConversation, frozen=True, kw_only=True):
    """End the membership of `user`; of oneself, that is to leave."""

    user: str


class SendMessage(InConversation, frozen=True, kw_only=True):
    """Say something. `client_message_id` is its permanent key; `reply_to` names a message by its seq.

    `first_sent_epoch` is the conversation's epoch when the client first tried to send this.
    """

    client_message_id: str
    content: str = ""
    content_type: ContentType = "text"
    role: MessageRole = "user"
    reply_to: Seq | None = None
    reply_to_version: VersionName | None = None
    attachments: list[JsonObject] | None = None
    metadata: JsonObject | None = None
    durability: Durability = "committed"
    first_sent_epoch: EpochName | None = None


class EditMessage(WriteInConversation, frozen=True, kw_only=True):
    """Give a message another content; what is absent of the other fields stays."""

    seq: Seq
    content: str
    content_type: ContentType | msgspec.UnsetType = msgspec.UNSET
    attachments: list[JsonObject] | None | msgspec.UnsetType = msgspec.UNSET
    metadata: JsonObject | None | msgspec.UnsetType = msgspec.UNSET
    version: VersionName | None = None


class DeleteMessage(WriteInConversation, frozen=True, kw_only=True):
    """Replace a message by its tombstone."""

    seq: Seq
    version: VersionName | None = None


class MarkRead(InConversation, frozen=True, kw_only=True):
    """Say that everything up to `seq` was read; never moves back."""

    seq: Offset
    version: VersionName | None = None


class ShowTyping(InConversation, frozen=True, kw_only=True):
    """Tell the others that the user types."""


class RestoreConversation(InConversation, frozen=True, kw_only=True):
    """Bring back a conversation that is deleted or missing, and whoever was a member and did not leave since.

    Only an operator's revival asks this; no door takes it.
    """

    archived: ArchivedConversation


class RestoreMessages(InConversation, frozen=True, kw_only=True):
    """Bring back those of the messages that are deleted or missing. Only an operator's revival asks this."""

    messages: tuple[ArchivedMessage, ...]


class ReadHistory(InConversation, frozen=True, kw_only=True):
    """Read a page of messages: before, after or around a seq; the newest without any of them."""

    before: Seq | None = None
    after: Offset | None = None
    around: Seq | None = None
    limit: Limit | None = None

    @property
    def goes_forward(self) -> bool:
        """Tell whether the reading goes on to newer messages; else it goes back."""
        return self.after is not None or self.around is not None


class ReadEvents(InConversation, frozen=True, kw_only=True):
    """Read the events after a position, if the rule of the timeline allows to go on from it."""

    epoch: EpochName = ""
    offset: Offset = 0
    seen: RowId | None = None
    limit: Limit | None = None


class GetMessage(InConversation, frozen=True, kw_only=True):
    """Read one message."""

    seq: Seq


class GetConversation(InConversation, frozen=True, kw_only=True):
    """Read one conversation."""


class ListConversations(Command, frozen=True, kw_only=True):
    """List one's conversations by last activity, those of one kind if that is named."""

    kind: Kind | None = None
    cursor: str | None = None
    limit: Limit | None = None


class ListMembers(InConversation, frozen=True, kw_only=True):
    """List who takes part."""

    cursor: str | None = None
    limit: Limit | None = None


class ReadPresence(InConversation, frozen=True, kw_only=True):
    """Ask who is here now."""


WriteCommand = (
    CreateConversation
    | UpdateConversation
    | DeleteConversation
    | AddMember
    | UpdateMember
    | RemoveMember
    | SendMessage
    | EditMessage
    | DeleteMessage
    | MarkRead
    | RestoreConversation
    | RestoreMessages
)


def check_key(key: str) -> None:
    """Refuse a key that is not 1 to KEY_BYTES_MAX bytes of UTF-8."""
    if not 1 <= _bytes_of(key, "the key") <= KEY_BYTES_MAX:
        raise BadRequest(f"a key is 1 to {KEY_BYTES_MAX} bytes of UTF-8")


def check_user(user: str) -> None:
    """Refuse a user id that is empty, longer than USER_BYTES_MAX bytes, or has control characters."""
    if not 1 <= _bytes_of(user, "a user id") <= USER_BYTES_MAX:
        raise BadRequest(f"a user id is 1 to {USER_BYTES_MAX} bytes")
    if any(character < " " or character == "\x7f" for character in user):
        raise BadRequest("a user id has no control characters")


def check_content(content: str, bytes_max: int) -> None:
    """Refuse a content of more than `bytes_max` bytes of UTF-8."""
    if _bytes_of(content, "content") > bytes_max:
        raise TooLarge(f"content is at most {bytes_max} bytes of UTF-8")


def encode_json(value: Json, name: str, bytes_max: int) -> bytes | None:
    """Write a client's own JSON in its one canonical form: keys sorted, no spaces; None stays None.

    Raises TooLarge over `bytes_max` bytes and BadRequest for what no reader could be trusted to take: nesting
    deeper than JSON_DEPTH_MAX, numbers beyond the range of 64 bits, halves of characters.
    """
    if value is None:
        return None
    _check_json(value, name, JSON_DEPTH_MAX)
    try:
        encoded = msgspec.json.encode(value, order="deterministic")
    except UnicodeEncodeError as error:
        raise BadRequest(f"{name} is not valid UTF-8") from error
    if len(encoded) > bytes_max:
        raise TooLarge(f"{name} is at most {bytes_max} bytes of JSON")
    return encoded


def parse_version(version: str) -> RowId:
    """Split `<epoch>.<changed_seq>`; raises BadRequest where it is not one."""
    if not VERSION.match(version):
        raise BadRequest('a version is "<epoch>.<changed_seq>"')
    epoch, changed_seq = version.split(".")
    return RowId(seq=int(changed_seq), epoch=epoch)


def _bytes_of(text: str, name: str) -> int:
    try:
        return len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError as error:
        raise BadRequest(f"{name} is not valid UTF-8") from error


def _check_json(value: Json, name: str, levels: int) -> None:
    if isinstance(value, dict | list):
        if levels == 0:
            raise BadRequest(f"{name} nests deeper than {JSON_DEPTH_MAX} levels")
        for item in value.values() if isinstance(value, dict) else value:
            _check_json(item, name, levels - 1)
    elif isinstance(value, int | float) and not -(2**63) <= value < 2**63:
        raise BadRequest(f"{name} holds a number beyond the range of 64 bits")
