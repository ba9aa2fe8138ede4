"""Tuning: the PRAGMAs of every connection, as the settings want them."""

from __future__ import annotations

import msgspec

from chat.settings import Settings


class Tuning(msgspec.Struct, frozen=True, kw_only=True):
    """The PRAGMAs of one connection, set when it is made and never later."""

    synchronous: str
    busy_timeout_ms: int
    cache_size_kib: int
    journal_size_limit_bytes: int
    wal_autocheckpoint_pages: int
    query_only: bool = False
    slow_query_ms: int = 0

    @classmethod
    def of(cls, settings: Settings, *, query_only: bool = False) -> Tuning:
        """Take what the settings say."""
        return cls(
            synchronous=settings.synchronous,
            busy_timeout_ms=settings.busy_timeout_ms,
            cache_size_kib=settings.cache_size_kib,
            journal_size_limit_bytes=settings.journal_size_limit_bytes,
            # Litestream copies the WAL back itself, and holds a read transaction: whoever else tried would only wait.
            wal_autocheckpoint_pages=0 if settings.replicates else settings.wal_autocheckpoint_pages,
            query_only=query_only,
            slow_query_ms=settings.slow_query_ms,
        )

    def pragmas(self) -> list[str]:
        """Write the statements in the order in which SQLite wants them."""
        return [
            f"PRAGMA busy_timeout = {self.busy_timeout_ms}",
            "PRAGMA journal_mode = WAL",
            f"PRAGMA synchronous = {self.synchronous.upper()}",
            "PRAGMA foreign_keys = ON",
            "PRAGMA temp_store = MEMORY",
            "PRAGMA mmap_size = 0",
            f"PRAGMA cache_size = -{self.cache_size_kib}",
            f"PRAGMA journal_size_limit = {self.journal_size_limit_bytes}",
            f"PRAGMA wal_autocheckpoint = {self.wal_autocheckpoint_pages}",
            f"PRAGMA query_only = {'ON' if self.query_only else 'OFF'}",
        ]
