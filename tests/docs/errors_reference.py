"""What docs/reference/errors.md says of the catalogue: errors, ends of connections, ends of subscriptions."""

from __future__ import annotations

from chat.errors import CATALOGUE, DISCONNECTS, UNSUBSCRIBES, Problem
from tests.docs.generated import table

RESUBSCRIBE_FROM = 2500

REMEDIES = {
    "internal": "Send it again under the same key, after a pause that grows. If it stays, the server's log has the "
    "traceback under the request id.",
    "unauthorized": "Get a token and present it.",
    "unknown": "Treat it as gone: it does not exist, or not for this user. Nothing tells the two apart.",
    "permission_denied": "Do not repeat it; another role or scope is needed.",
    "method_not_found": "Correct the name of the method, or the HTTP method.",
    "already_subscribed": "Use the subscription that is there.",
    "limit_exceeded": "Ask for less, or have the limit raised: [settings](settings.md).",
    "bad_request": "Correct it; `detail` (on the socket the message) names the place. Sent again it fails again.",
    "not_available": "Do without: this release does not have it.",
    "token_expired": "Get a new token, then go on.",
    "too_many_requests": "Wait as long as `Retry-After` says (on the socket a second), then send it again.",
    "unrecoverable_position": "Reload the conversation: drop what is drawn and read it anew. For a command that "
    "names a version: it is another message now, so ask the person again.",
    "not_found": "Correct the address.",
    "key_reused": "A mistake in the client: one key was given to two contents. Make a new key for a new message.",
    "replay_refused": "Drop the message, or show it as not sent: the history was rewound without it, on purpose.",
    "version_mismatch": "Read it again, and let the person decide.",
    "too_large": "Send less.",
    "unsupported_media_type": "Set `Content-Type: application/json`.",
    "upgrade_required": "Open a WebSocket there: [the socket](socket.md). REST is under `/v1`.",
    "unavailable": "Keep the message, and send it again under the same key. `/readyz` tells the reason.",
}
ENDINGS = {
    3001: "The server stops or restarts.",
    3004: "Something broke on the server.",
    3005: "The token expired, and no newer one came in time.",
    3008: "The client did not read what waited for it.",
    3010: "Connect again; what was missed comes with the recovery.",
    3012: "A ping was not answered in time.",
    3013: "Too many refused tokens came from this address.",
    3500: "The token is no good: signature, issuer, audience, a claim; or a refresh named another user.",
    3501: "Not this protocol: no JSON, a binary frame, a command before `connect`, a second `connect`.",
    3502: "No `connect` came in time.",
    3504: "This user has as many connections as one may have.",
    3506: "Protobuf was asked for; this release speaks JSON.",
}
LEAVINGS = {
    2000: "The membership ended, or the conversation was deleted.",
    2500: "An event could not be handed on, or the writing file was opened anew: subscribe again, with recovery.",
    2501: "The subscription's own token expired.",
}


def parts() -> dict[str, str]:
    """Return the page's parts by name."""
    return {"errors": _errors(), "disconnects": _disconnects(), "unsubscribes": _unsubscribes()}


def _errors() -> str:
    columns = ["Number", "Name", "HTTP", "Temporary", "Meaning", "What to do"]
    return table(columns, [_error(problem) for problem in CATALOGUE])


def _error(problem: type[Problem]) -> list[str]:
    return [
        str(problem.number),
        f'<a id="{problem.name}"></a>`{problem.name}`',
        str(problem.status),
        "yes" if problem.temporary else "",
        problem().detail,
        REMEDIES[problem.name],
    ]


def _disconnects() -> str:
    rows = [
        [str(each.code), each.reason, "yes" if each.reconnect else "no", ENDINGS[each.code]]
        for each in DISCONNECTS
    ]
    return table(["Code", "Reason", "Comes back", "When"], rows)


def _unsubscribes() -> str:
    rows = [
        [str(each.code), each.reason, "yes" if each.code >= RESUBSCRIBE_FROM else "no", LEAVINGS[each.code]]
        for each in UNSUBSCRIBES
    ]
    return table(["Code", "Reason", "Subscribes again", "When"], rows)
