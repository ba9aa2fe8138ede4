"""The report of a restore: for programs as JSON, for a plain terminal as lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypedDict

from ops.restoring import moment
from ops.restoring.beside import Copy
from ops.restoring.inplace import Outcome
from ops.restoring.loss import Loss, LostConversation
from ops.restoring.request import Answer

CONVERSATIONS_SHOWN_MAX = 20
TITLE_SHOWN_MAX = 30


class FileReport(TypedDict):
    """One restored file. Times are Unix milliseconds; seconds are those that its copy took."""

    file: str
    moment_ms: int | None
    heartbeat_ms: int | None
    copied_ms: int
    messages: int
    conversations: int
    size_bytes: int
    fetch_s: float
    check_s: float
    lost: LossReport


class LossReport(TypedDict):
    """What the file loses; `unread` says why that is not known."""

    messages: int
    changes: int
    conversations: list[dict[str, object]]
    unread: str


class Report(TypedDict):
    """All of it, as `--json` prints it."""

    at_ms: int | None
    skew_ms: int
    restored: list[str]
    replaced: str
    notes: list[str]
    files: list[FileReport]


def report(answer: Answer) -> Report:
    """Write an answer down for a program."""
    outcome = answer.outcome
    return Report(
        at_ms=outcome.at_ms,
        skew_ms=outcome.skew_ms,
        restored=[str(path) for path in answer.restored],
        replaced=outcome.old,
        notes=list(answer.notes),
        files=[_file(copy, loss) for copy, loss in zip(outcome.copies, outcome.losses, strict=True)],
    )


def lines(outcome: Outcome) -> Iterator[str]:
    """Write what was restored beside, and what would be lost, for a person."""
    asked = "the latest copy" if outcome.at_ms is None else moment.shown(outcome.at_ms)
    yield f"Asked for: {asked}"
    for copy, loss in zip(outcome.copies, outcome.losses, strict=True):
        yield ""
        yield f"{copy.file}: {of_moment(copy)}; {copy.standing.messages} messages, {size(copy.size_bytes)}"
        yield f"  {lost(loss)}"
        for each in loss.conversations[:CONVERSATIONS_SHOWN_MAX]:
            yield f"    {conversation(each)}"
        more = len(loss.conversations) - CONVERSATIONS_SHOWN_MAX
        if more > 0:
            yield f"    and {more} more conversations"
    yield ""
    yield from outcome.notes


def of_moment(copy: Copy) -> str:
    """Say which moment a copy is of."""
    found_ms = copy.standing.moment_ms
    return "of an unknown moment" if found_ms is None else f"of {moment.shown(found_ms)}"


def lost(loss: Loss) -> str:
    """Say in a sentence what a file loses."""
    if loss.unread:
        return f"what is lost is not known, since the file that is there cannot be read: {loss.unread.rstrip('.')}"
    if loss.live is None:
        return "nothing is lost: there is no such file now"
    if not loss.conversations:
        return "nothing is lost"
    whole = sum(each.whole for each in loss.conversations)
    return (
        f"lost: {loss.messages} messages and {loss.changes} other events of {len(loss.conversations)} conversations, "
        f"{whole} of them whole"
    )


def conversation(each: LostConversation) -> str:
    """Say in a line what one conversation loses."""
    title = (each.title or "")[:TITLE_SHOWN_MAX]
    ends = f"last {each.last_seq} of {shown(each.last_ms)}"
    back = (
        "not in the copy"
        if each.whole
        else f"goes back to {each.copied_last_seq} of {shown(each.copied_last_ms)}"
    )
    return f"{each.conversation_id} {title!r}: {each.messages} messages, {each.changes} other events; {ends}; {back}"


def shown(at_ms: int | None) -> str:
    """Write a time, or a dash where there is none."""
    return "–" if at_ms is None else moment.shown(at_ms)


def size(count_bytes: int) -> str:
    """Write a size with a unit that suits it."""
    amount, unit = float(count_bytes), "B"
    for larger in ("KiB", "MiB", "GiB"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"


def ended(answer: Answer, places: Sequence[str]) -> Iterator[str]:
    """Say what is where at the end."""
    if not places:
        yield "Nothing was touched: this was a rehearsal."
        return
    yield f"Restored: {', '.join(places)}"
    if answer.outcome.old:
        yield f"What was there before is in {answer.outcome.old}; remove it when it is not needed any more."


def _file(copy: Copy, loss: Loss) -> FileReport:
    return FileReport(
        file=copy.file,
        moment_ms=copy.standing.moment_ms,
        heartbeat_ms=copy.standing.heartbeat_ms,
        copied_ms=copy.plan.copied_ms,
        messages=copy.standing.messages,
        conversations=copy.standing.conversations,
        size_bytes=copy.size_bytes,
        fetch_s=round(copy.fetch_s, 3),
        check_s=round(copy.check_s, 3),
        lost=LossReport(
            messages=loss.messages,
            changes=loss.changes,
            conversations=[_conversation(each) for each in loss.conversations],
            unread=loss.unread,
        ),
    )


def _conversation(each: LostConversation) -> dict[str, object]:
    return {name: getattr(each, name) for name in LostConversation.__dataclass_fields__}
