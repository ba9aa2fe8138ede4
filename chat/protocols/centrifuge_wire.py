"""CentrifugeJson: how the hub's pushes look to clients of the Centrifuge protocol in JSON."""

from __future__ import annotations

from typing import Any

import msgspec

from chat.errors import Unsubscribe
from chat.hub import Client
from chat.models import AnyEvent
from chat.protocols import centrifuge_json
from chat.protocols.centrifuge_results import ClientInfo, Publication

_encode = msgspec.json.Encoder().encode


class CentrifugeJson:
    """Writes pushes; one object serves all connections, so that each event is encoded once."""

    def event(self, event: AnyEvent) -> bytes:
        """Write an event of a conversation, with its seq as offset."""
        return centrifuge_json.push_publication(event.conversation_id, _encode(event), event.seq)

    def notice(self, channel: str, data: dict[str, Any]) -> bytes:
        """Write what has no offset."""
        return centrifuge_json.push_publication(channel, _encode(data))

    def joined(self, channel: str, client: Client) -> bytes:
        """Write that a connection subscribed."""
        return centrifuge_json.push_join(channel, client_info(client))

    def left(self, channel: str, client: Client) -> bytes:
        """Write that a connection's subscription ended."""
        return centrifuge_json.push_leave(channel, client_info(client))

    def unsubscribed(self, channel: str, why: Unsubscribe) -> bytes:
        """Write that the server ended a subscription."""
        return centrifuge_json.push_unsubscribe(channel, why)


def client_info(client: Client) -> ClientInfo:
    """Describe a connection as others see it; `conn_info` is the token's `info`."""
    info = None if client.user.info is None else msgspec.Raw(_encode(client.user.info))
    return ClientInfo(user=client.user.id, client=client.id, conn_info=info)


def publication(event: AnyEvent) -> Publication:
    """Write an event as it stands in a list of publications."""
    return Publication(data=msgspec.Raw(_encode(event)), offset=event.seq)
