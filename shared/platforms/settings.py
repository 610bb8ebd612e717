"""Kinds of values that hooks are told in their settings."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, StringConstraints


def _base(text: str) -> str:
    return text.rstrip("/")


# Where it may lead is checked when it is called: a name is resolved then, and asked only where it is public.
HttpsBase = Annotated[
    str,
    StringConstraints(pattern=r"^https?://[A-Za-z0-9.\-\[\]:]+(/[A-Za-z0-9._~/\-]*)?$", max_length=512),
    AfterValidator(_base),
]

Label = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9\-]{0,61}[A-Za-z0-9])?$")]
