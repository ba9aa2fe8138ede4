"""What `palaver serve` prints first; that its lines work is shown in tests/acceptance/test_readme.py."""

from __future__ import annotations

import re
from pathlib import Path

from chat.auth import load_secret
from chat.settings import Settings
from ops.greeting import greeting

ADDRESS = ("127.0.0.1", 8000)


def test_tokens_are_written_out_for_a_terminal_alone(tmp_path: Path) -> None:
    settings = Settings(data=str(tmp_path))
    load_secret(settings)
    exports = re.compile(r"export PALAVER_TOKEN=(\S+)")
    shown = exports.findall(greeting(settings, ADDRESS, demo_tokens=True))
    assert [token.count(".") for token in shown] == [2, 2]
    logged = greeting(settings, ADDRESS, demo_tokens=False)
    assert "token --user alice)" in logged
    assert "token --user bob)" in logged
    assert "eyJ" not in logged


def test_a_server_with_keys_of_its_own_has_no_token_to_give(tmp_path: Path) -> None:
    settings = Settings(data=str(tmp_path), jwt_algorithms="ES256")
    assert "PALAVER_TOKEN" not in greeting(settings, ("::1", 80), demo_tokens=True)
    assert list(tmp_path.iterdir()) == []
