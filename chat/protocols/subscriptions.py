"""What Palaver says in the `data` of a subscription, beside the fields of the Centrifuge protocol."""

from __future__ import annotations

import msgspec

from chat.commands import EpochName
from chat.errors import BadRequest
from chat.models import RowId
from chat.protocols.centrifuge_results import SubscribeResult
from chat.protocols.centrifuge_wire import publication
from chat.store import Recovered
from chat.timeline import Claim

TOPICS = frozenset({"typing", "read", "replicated"})
TOPICS_MAX = 16


class SubscribeData(msgspec.Struct, frozen=True):
    """What a subscribe request's own `data` may say."""

    seen: RowId | None = None
    ephemeral: list[str] = []


class SubscribedData(msgspec.Struct, frozen=True, kw_only=True):
    """What a subscribe result's `data` says beside the protocol's own fields; `top` is the newest row.

    `replicated_seq` is the watermark under `epoch`, if it is known.
    """

    epoch: EpochName
    top: RowId
    first_seq: int
    role: str
    read_seq: int
    replicated_seq: int | msgspec.UnsetType = msgspec.UNSET


def read_subscribe_data(raw: msgspec.Raw) -> SubscribeData:
    """Read the data of a subscribe request, which may be absent; raises BadRequest."""
    if bytes(raw) in (b"", b"null"):
        return SubscribeData()
    try:
        data = msgspec.json.decode(raw, type=SubscribeData)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise BadRequest(f"the subscription's data: {error}") from error
    if len(data.ephemeral) > TOPICS_MAX:
        raise BadRequest(f"a subscription asks for at most {TOPICS_MAX} topics")
    return data


def subscribed(found: Recovered, claim: Claim | None, replicated_seq: int | None = None) -> SubscribeResult:
    """Write how a subscription to a conversation begins."""
    data = SubscribedData(
        epoch=found.epoch,
        top=found.top,
        first_seq=found.first_seq,
        role=found.role,
        read_seq=found.read_seq,
        replicated_seq=msgspec.UNSET if replicated_seq is None else replicated_seq,
    )
    return SubscribeResult(
        recoverable=True,
        positioned=True,
        epoch=found.epoch,
        recovered=found.recovered,
        was_recovering=claim is not None,
        publications=[publication(event) for event in found.events],
        offset=claim.offset if claim is not None and found.recovered else found.top.seq,
        data=msgspec.Raw(msgspec.json.encode(data)),
    )
