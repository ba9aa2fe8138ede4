"""What is fetched and what is shipped: locks that pin all and name no index, a wheel that carries its SQL."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
LOCKS = sorted((PROJECT / "requirements").glob("*.lock"))
NPM_LOCK = PROJECT / "tests" / "acceptance" / "package-lock.json"
REQUIREMENT = re.compile(
    r"(?P<name>[a-z0-9-]+)==(?P<version>[^\s;]+)(?P<rest>(?:.*\\\n)(?:    --hash=.*\n)+)"
)
TOML = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))


def pinned(lock: Path) -> dict[str, str]:
    """Return the version of every package that a lock pins with hashes."""
    found = REQUIREMENT.finditer(lock.read_text(encoding="utf-8"))
    return {requirement["name"]: requirement["version"] for requirement in found}


def names(requirements: list[str]) -> set[str]:
    """Return the names of requirements as the locks spell them."""
    spelled = (re.match(r"[A-Za-z0-9._-]+", requirement) for requirement in requirements)
    return {re.sub(r"[-_.]+", "-", name[0]).lower() for name in spelled if name}


def readme_commands() -> list[str]:
    """Return every line of the README's fenced blocks."""
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    return [
        line for block in re.findall(r"^```\w*\n(.*?)^```$", text, re.M | re.S) for line in block.splitlines()
    ]


def test_there_are_four_locks() -> None:
    assert [lock.name for lock in LOCKS] == ["centrifuge-0.6.0.lock", "dev.lock", "pip.lock", "runtime.lock"]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_names_neither_an_index_nor_a_place(lock: Path) -> None:
    lines = lock.read_text(encoding="utf-8").splitlines()
    statements = [line for line in lines if line and not line.lstrip().startswith("#")]
    assert all(re.match(r"[a-z0-9]|    --hash=sha256:[0-9a-f]{64}( \\)?$", line) for line in statements)
    assert [
        line
        for line in lines
        if re.search(r"://|file:/|--[a-z-]*index|--find-links|--trusted-host| @ ", line)
    ] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_pins_everything_that_it_names_with_hashes(lock: Path) -> None:
    named = re.findall(r"^([a-z0-9-]+)\b", lock.read_text(encoding="utf-8"), re.MULTILINE)
    assert named
    assert sorted(named) == sorted(pinned(lock))


def test_the_runtime_lock_holds_what_the_program_and_its_build_require() -> None:
    required = names(TOML["project"]["dependencies"]) | names(TOML["build-system"]["requires"])
    assert required - set(pinned(PROJECT / "requirements" / "runtime.lock")) == set()


def test_the_runtime_lock_holds_nothing_that_only_developers_need() -> None:
    extras = TOML["project"]["optional-dependencies"]
    only_theirs = names(extras["dev"]) | names(extras["bench"])
    assert only_theirs & set(pinned(PROJECT / "requirements" / "runtime.lock")) == set()


def test_the_development_lock_holds_the_extras_and_the_runtime_in_the_same_versions() -> None:
    development = pinned(PROJECT / "requirements" / "dev.lock")
    extras = TOML["project"]["optional-dependencies"]
    assert (names(extras["dev"]) | names(extras["bench"])) - set(development) == set()
    assert pinned(PROJECT / "requirements" / "runtime.lock").items() <= development.items()


def test_the_lock_of_the_javascript_client_names_no_registry() -> None:
    packages = json.loads(NPM_LOCK.read_text(encoding="utf-8"))["packages"]
    assert packages["node_modules/centrifuge"]["version"] == "5.8.0"
    assert all("integrity" in package for path, package in packages.items() if path)
    assert "://" not in NPM_LOCK.read_text(encoding="utf-8")


def test_ci_runs_the_command_of_the_readme() -> None:
    script = PROJECT / ".ci" / "run"
    command = re.search(r"^README_COMMAND='(.+)'$", script.read_text(encoding="utf-8"), re.MULTILINE)
    assert os.access(script, os.X_OK)
    assert command is not None
    assert command[1] in readme_commands()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Build a wheel of a copy of the tree, with the build backend that is installed."""
    tree = tmp_path_factory.mktemp("wheel") / "tree"
    ignored = shutil.ignore_patterns(
        ".*", "__pycache__", "data", "node_modules", "tests", "benchmarks", "build", "dist", "*.egg-info"
    )
    shutil.copytree(PROJECT, tree, ignore=ignored)
    build = "from setuptools.build_meta import build_wheel; build_wheel('dist')"
    subprocess.run([sys.executable, "-c", build], cwd=tree, check=True, capture_output=True, timeout=120)
    return zipfile.ZipFile(next((tree / "dist").glob("*.whl")))


def test_a_wheel_carries_all_modules_statements_and_migrations(wheel: zipfile.ZipFile) -> None:
    packages = ("chat", "storage", "sql", "ops", "migrations")
    files = [path for package in packages for path in (PROJECT / package).rglob("*")]
    shipped = {".py", ".sql", ".html", ".css", ".js"}
    wanted = {path.relative_to(PROJECT).as_posix() for path in files if path.suffix in shipped} | {"asgi.py"}
    assert any(name.startswith("migrations/sqlite/") for name in wanted)
    shipped = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert shipped == wanted


def test_a_wheel_offers_the_command(wheel: zipfile.ZipFile) -> None:
    info = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert wheel.read(info).decode() == "[console_scripts]\npalaver = ops.entry:main\n"
