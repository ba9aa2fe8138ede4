"""Who asks: the bearer token of a request becomes its user; whoever guesses is slowed down by address."""

from __future__ import annotations

from starlette.requests import Request

from chat.core import Core
from chat.endpoints.addresses import client_address
from chat.errors import BadRequest, TooManyRequests, Unauthorized
from chat.models import User

SCHEME = "bearer"


async def identify(request: Request, core: Core) -> User:
    """Return the user that the Authorization header speaks for; a token in the URL is not seen.

    Raises Unauthorized, TokenExpired, or TooManyRequests when this address has presented too many bad tokens.
    """
    token = token_of(request)
    try:
        user = await core.authenticator.authenticate(token)
    except Unauthorized as refusal:
        # Only what was never a good token counts, and only then: whoever shares the guesser's address and has
        # a good one is not locked out with him.
        wait_s = core.logins.take(client_address(request.scope, core.settings.trusted_proxies))
        if wait_s:
            raise TooManyRequests("too many bad tokens from this address", retry_after_s=wait_s) from refusal
        raise
    request.state.user = user.id
    return user


def token_of(request: Request) -> str:
    """Return the token of `Authorization: Bearer <token>`.

    Raises Unauthorized without one, BadRequest for two.
    """
    headers = request.headers.getlist("authorization")
    if len(headers) > 1:
        raise BadRequest("send one Authorization header")
    scheme, _, token = headers[0].partition(" ") if headers else ("", "", "")
    if scheme.lower() != SCHEME or not token.strip():
        raise Unauthorized("send a token in the header `Authorization: Bearer <token>`")
    return token.strip()
