"""What each kind of store wants to be told beside its URL, in Litestream's words; for copies and restores alike."""

from __future__ import annotations

import shlex

# Where a store's key and its secret are read from. Azure's key is the account's name, which only the configuration
# takes; Google's is a file named in GOOGLE_APPLICATION_CREDENTIALS.
KEYS = {
    "s3": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    "oss": ("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET"),
    "abs": ("", "LITESTREAM_AZURE_ACCOUNT_KEY"),
}
PASSWORDS = {
    "sftp": "password",
    "nats": "password",
    "webdav": "webdav-password",
    "webdavs": "webdav-password",
}
# What an operator may add. Files are named by absolute paths: Litestream works in no folder of ours.
OPTIONS = {
    "sftp": ("key-path", "host-key"),
    "nats": ("creds", "client-cert", "client-key"),
}


def pairs(setting: str, text: str) -> dict[str, str]:
    """Read NAME=value with blanks between, quoted as in a shell; raises ValueError with a sentence on `setting`."""
    try:
        found = [entry.partition("=") for entry in shlex.split(text)]
    except ValueError as error:
        raise ValueError(f"{setting} cannot be read: {error}.") from error
    if not all(name and equals for name, equals, _ in found):
        raise ValueError(f"{setting} must be NAME=value with blanks between.")
    return {name: value for name, _, value in found}


def variables(text: str) -> dict[str, str]:
    """Read what the environment of Litestream gets besides; raises ValueError."""
    return pairs("PALAVER_REPLICA_ENVIRONMENT", text)


def options(scheme: str, text: str) -> dict[str, str]:
    """Read what is added for one kind of store; raises ValueError, also where Litestream would ignore an option."""
    found = pairs("PALAVER_REPLICA_OPTIONS", text)
    known = OPTIONS.get(scheme, ())
    for name in found:
        if name not in known:
            there = f"there are {', '.join(known)}" if known else "there are none"
            raise ValueError(
                f"PALAVER_REPLICA_OPTIONS: {name} is no option of {scheme or 'a folder'}; {there}."
            )
    return found


def extras(scheme: str, user: str, key_id: str, added: str) -> dict[str, str]:
    """Return what the configuration says of a store beside its URL and password; raises ValueError."""
    found = options(scheme, added)
    if scheme == "nats" and user:
        found["username"] = user
    if scheme == "abs" and key_id and not user:
        found["account-name"] = key_id
    return found
