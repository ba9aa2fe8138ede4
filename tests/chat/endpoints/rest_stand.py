"""REST over a session that only notes what it is asked: what is decoded and what is answered, without a database."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, field

import httpx2
from starlette.applications import Starlette

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
)
from chat.endpoints.middleware import middleware
from chat.endpoints.problems import exception_handlers
from chat.errors import TooManyRequests, Unauthorized
from chat.health import PartHealth
from chat.limits import TokenBuckets
from chat.models import Conversation, EventPage, Listing, Member, MemberPage, Message, Page, User
from chat.observer import NullObserver
from chat.presence import Presence, Present
from chat.routes import routes
from chat.settings import Settings
from chat.store import Changed, Created, ReadMark, Sent

ID = "main:0199f0c1-2a3b-7c4d-8e5f-60718293a4b5"
PATH = f"/v1/conversations/{ID}"
TOKENS = {
    "token-of-alice": User("alice"),
    "token-of-olga": User("olga", frozenset({"ops"})),
}

MESSAGE = Message(
    conversation_id=ID,
    seq=7,
    epoch="aa11",
    sender="alice",
    client_message_id="k-1",
    role="user",
    content_type="text",
    content="hi",
    created_at=1,
    changed_seq=9,
)
CONVERSATION = Conversation(
    conversation_id=ID,
    kind="group",
    created_at=1,
    updated_at=2,
    first_seq=1,
    last_seq=7,
    changed_seq=3,
    version="aa11.3",
    epoch="bb22",
    role="owner",
    read_seq=4,
    unread_count=3,
)
CHANGED = Changed(conversation_id=ID, seq=9, epoch="bb22", version="bb22.9", duplicate=False)
SENT = Sent(conversation_id=ID, seq=7, epoch="bb22", version="bb22.7", created_at=1, duplicate=False)

ANSWERS: dict[type[Command], object] = {
    CreateConversation: Created(conversation=CONVERSATION, duplicate=False),
    UpdateConversation: CHANGED,
    DeleteConversation: CHANGED,
    AddMember: CHANGED,
    UpdateMember: CHANGED,
    RemoveMember: CHANGED,
    SendMessage: SENT,
    EditMessage: Changed(
        conversation_id=ID, seq=9, epoch="bb22", version="bb22.9", duplicate=False, message_seq=7
    ),
    DeleteMessage: CHANGED,
    MarkRead: ReadMark(conversation_id=ID, read_seq=7, unread_count=0),
    ShowTyping: None,
    ReadHistory: Page(items=[MESSAGE], next=None, previous=None, epoch="bb22", offset=9),
    ReadEvents: EventPage(items=[MESSAGE], next=None, epoch="bb22", offset=9),
    GetMessage: MESSAGE,
    GetConversation: CONVERSATION,
    ListConversations: Listing(items=[CONVERSATION], next=None),
    ListMembers: MemberPage(items=[Member(user="alice", role="owner", read_seq=4, joined_at=1)], next=None),
    ReadPresence: Presence([Present("alice", 2)]),
}


class Session:
    """Notes each command and gives the answer, or raises the error, that stands for its kind."""

    def __init__(self, core: Core, user: User) -> None:
        self._core = core
        self._user = user

    def admit(self) -> None:
        wait_s = self._core.limiter.take(self._user.id)
        if wait_s:
            raise TooManyRequests(retry_after_s=wait_s)

    def handle(self, command: Command) -> Awaitable[object]:
        self._core.asked.append((self._user.id, command))
        return self._answer(command)

    async def _answer(self, command: Command) -> object:
        answer = self._core.answers[type(command)]
        if isinstance(answer, Exception):
            raise answer
        return answer


class Doorkeeper:
    """Knows the tokens of TOKENS."""

    async def authenticate(self, token: str) -> User:
        if token not in TOKENS:
            raise Unauthorized("the token is no good")
        return TOKENS[token]


class Counter(NullObserver):
    """Notes the names of refusals."""

    def __init__(self) -> None:
        self.refusals: list[str] = []

    def refused(self, name: str) -> None:
        self.refusals.append(name)


@dataclass
class Core:
    """As much of the core as REST looks at."""

    settings: Settings = field(default_factory=Settings)
    authenticator: Doorkeeper = field(default_factory=Doorkeeper)
    logins: TokenBuckets = field(default_factory=lambda: TokenBuckets(0.001, 3))
    limiter: TokenBuckets = field(default_factory=lambda: TokenBuckets(1_000, 1_000))
    answers: dict[type[Command], object] = field(default_factory=lambda: dict(ANSWERS))
    asked: list[tuple[str, Command]] = field(default_factory=list)
    parts: list[PartHealth] = field(default_factory=list)
    observer: Counter = field(default_factory=Counter)

    def session(self, user: User) -> Session:
        return Session(self, user)

    def health(self) -> list[PartHealth]:
        return self.parts

    @property
    def command(self) -> Command:
        """Return the only command that was asked."""
        assert len(self.asked) == 1, self.asked
        return self.asked[0][1]


def application(core: Core) -> Starlette:
    """Return REST with its middleware around `core`."""
    app = Starlette(
        routes=routes(),
        middleware=middleware(core.settings),
        exception_handlers=exception_handlers(),
    )
    app.router.redirect_slashes = False
    app.state.core = core
    return app


def client(
    core: Core, token: str | None = "token-of-alice", address: str = "127.0.0.1"
) -> httpx2.AsyncClient:
    """Return a client of `application(core)`, to be used in `async with`."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    transport = httpx2.ASGITransport(application(core), client=(address, 50_000))
    return httpx2.AsyncClient(transport=transport, base_url="http://palaver.test", headers=headers)


async def ask(
    core: Core, method: str, path: str, token: str | None = "token-of-alice", **options: object
) -> httpx2.Response:
    """Send one request; `options` are those of httpx: json, content, headers, params."""
    async with client(core, token) as http:
        return await http.request(method, path, **options)  # type: ignore[arg-type]
