"""How a generic hook's deliveries are proven."""

from __future__ import annotations

from string import Formatter
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from shared.models import Model

PLACES: Final = ("body", "timestamp", "method", "url", "path")
"""What a base string may name, besides `header.NAME`."""

HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$", max_length=100, to_lower=True)]


def _base(text: str) -> str:
    names = [name for _, name, form, conversion in Formatter().parse(text) if name is not None and not form]
    known = [name for name in names if name in PLACES or name.startswith("header.")]
    if known != names or "body" not in names or "!" in text:
        raise ValueError("names {body}, and of {timestamp}, {method}, {url}, {path}, {header.NAME} what is signed")
    return text


class HmacProof(Model):
    """An HMAC of the body, or of a text that holds it, in a header."""

    kind: Literal["hmac"] = "hmac"
    header: HeaderName = Field(description="the header that carries the signature")
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = Field("", max_length=50, description="what stands before the signature in its header, as `sha256=`")
    base: Annotated[str, StringConstraints(max_length=200), AfterValidator(_base)] = Field(
        "{body}", description="the text that is signed: {body}, {timestamp}, {method}, {url}, {path}, {header.NAME}"
    )
    timestamp_header: HeaderName | None = Field(None, description="the header that carries {timestamp}")
    timestamp_unit: Literal["s", "ms", "iso"] = Field("s", description="s or ms since 1970, or ISO 8601")
    window_seconds: int = Field(300, ge=1, le=3600, description="how old or early a delivery may be")
    key_encoding: Literal["text", "base64", "hex"] = Field("text", description="how the secret writes its key")

    @model_validator(mode="after")
    def _time_is_signed(self) -> Self:
        """Refuse a time that anybody could write anew over an old delivery."""
        signed = {name.lower() for _, name, _, _ in Formatter().parse(self.base) if name is not None}
        if self.timestamp_header is None and "timestamp" in signed:
            raise ValueError("base names {timestamp}; say in timestampHeader which header carries it")
        if self.timestamp_header is not None and not {"timestamp", f"header.{self.timestamp_header}"} & signed:
            raise ValueError("timestampHeader is not signed; name {timestamp} in base, or leave timestampHeader out")
        return self


class StandardProof(Model):
    """Standard Webhooks: `webhook-id`, `webhook-timestamp` and `webhook-signature`."""

    kind: Literal["standard-webhooks"] = "standard-webhooks"


class SharedProof(Model):
    """A secret of our making that comes back with every delivery."""

    kind: Literal["shared"] = "shared"
    place: Literal["header", "basic", "query"] = Field(
        "header", description="in a header, as the password of Basic, or as ?token=… in the address"
    )
    header: HeaderName = Field("x-hook-token", description="the header, where it comes in one")
    prefix: str = Field("", max_length=50, description="what stands before it in its header, as `Bearer `")


Proof = Annotated[HmacProof | StandardProof | SharedProof, Field(discriminator="kind")]
