"""Where the server is that the settings of this machine speak of."""

from __future__ import annotations

from chat.settings import Settings

LOOPBACK_OF = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - listens there, is not met there
"""What a server listens on when it listens everywhere, and where on the same machine it is then found."""


def default_url(settings: Settings) -> str:
    """Return the address of a server that runs here with these settings."""
    host = LOOPBACK_OF.get(settings.host, settings.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
