"""The public centrifuge-python package in its JSON mode against the real server: two releases of it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from tests.acceptance.sdk import Sdk, missing
from tests.acceptance.sdk_suite import SdkBehaviour
from tests.support.fake import FakeServer

OLDER = "0.6.0"
OLDER_PATH = Path(sys.prefix) / f"centrifuge-{OLDER}"
"""Where the older release is installed, beside today's (`pip install --target`)."""


class TestPython(SdkBehaviour):
    """centrifuge-python as it is installed."""

    def command(self) -> Sequence[str]:
        return [sys.executable, "sdk_driver.py"]

    async def test_it_is_the_release_that_we_name(self, sdk: Sdk) -> None:
        assert sdk.version == "0.7.0"


class TestOlderPython(TestPython):
    """centrifuge-python 0.6.0, which offers its subprotocols in an empty header when it speaks JSON."""

    def command(self) -> Sequence[str]:
        if not OLDER_PATH.exists():
            missing(f"{OLDER_PATH} is missing: `make test` installs centrifuge-python {OLDER} there")
        return super().command()

    def environment(self) -> dict[str, str]:
        return {"PYTHONPATH": str(OLDER_PATH)}

    async def test_it_is_the_release_that_we_name(self, sdk: Sdk) -> None:
        assert sdk.version == OLDER

    async def test_it_does_send_the_empty_header_that_it_is_here_for(self, sdk: Sdk) -> None:
        async with FakeServer() as fake:
            await sdk.connect(fake.ws_url, "token")
        assert fake.headers[0]["Sec-WebSocket-Protocol"] == ""
