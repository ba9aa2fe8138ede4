"""The public `centrifuge` package of npm, run by node, against the real server."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from tests.acceptance.sdk import HERE, Sdk, missing
from tests.acceptance.sdk_suite import SdkBehaviour

PACKAGES = HERE / "node_modules"


class TestJavaScript(SdkBehaviour):
    """centrifuge-js over the `ws` package: not every node has a WebSocket of its own."""

    def command(self) -> Sequence[str]:
        node = shutil.which("node")
        if node is None:
            missing("node is not installed: the JavaScript SDK is not tested")
        elif not (PACKAGES / "ws").exists():
            missing(f"{PACKAGES} is missing or old: `make test` fetches it, or run `npm ci` in {HERE}")
        else:
            return [node, "sdk_driver.mjs"]
        return []

    async def test_it_is_the_release_that_we_name(self, sdk: Sdk) -> None:
        assert sdk.version == "5.8.0"
