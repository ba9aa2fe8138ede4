"""The socket's command `history`: publications of a conversation, from a position on or back from it."""

from __future__ import annotations

from chat.core import Core
from chat.errors import UnrecoverablePosition
from chat.models import User
from chat.protocols.centrifuge_requests import History, Since
from chat.protocols.centrifuge_results import HistoryResult
from chat.protocols.centrifuge_wire import publication
from chat.timeline import Claim


async def read_history(core: Core, user: User, command: History) -> HistoryResult:
    """Read what a member asks for; raises UnrecoverablePosition for a `since` that the rule of the timeline refuses."""
    settings = core.settings
    limit = min(
        settings.recover_events_max if command.limit < 0 else command.limit, settings.recover_events_max
    )
    since = command.since or (None if command.reverse else Since())
    claim = Claim(since.epoch, since.offset) if since and limit else None
    found = await core.file_of(command.channel).store.recover(
        user.id,
        command.channel,
        claim,
        limit,
        settings.recover_bytes_max,
        backward=command.reverse and limit > 0,
    )
    if claim is not None and not found.recovered:
        raise UnrecoverablePosition
    return HistoryResult(
        publications=[publication(event) for event in found.events],
        epoch=found.epoch,
        offset=found.top.seq,
    )
