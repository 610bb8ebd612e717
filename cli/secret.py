"""The key that seals stored secrets, where nobody set one: made at the first start, kept beside the data it opens."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

NAME: Final = "secret-key"


def known_keys(data_dir: Path) -> tuple[str, ...]:
    """Return the key of this data folder, if one was made."""
    path = data_dir / NAME
    return (path.read_text(encoding="ascii").strip(),) if path.exists() else ()


def kept_key(data_dir: Path) -> str:
    """Return the key of this data folder, made with the first call, readable by this user alone."""
    path = data_dir / NAME
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        fresh = path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    return path.read_text(encoding="ascii").strip()
