"""Reading deliveries: JSON without its traps, into models that know only what is looked at."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Final, NoReturn, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints, ValidationError

from shared.errors import Malformed
from shared.models import Attachment
from shared.platforms.types import Posted
from shared.text import find_control

FORM: Final = "application/x-www-form-urlencoded"
MOST_FIELDS: Final = 100
MOST_ATTACHMENTS: Final = 10
MOST_EVENTS: Final = 500
LONGEST_NAME: Final = 255
LONGEST_URL: Final = 2048


class Loose(BaseModel):
    """A part of a delivery: what is not named here may be there too, and is not looked at."""

    model_config = ConfigDict(extra="ignore", frozen=True)


Read = TypeVar("Read", bound=BaseModel)
Each = TypeVar("Each")


def _id_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _none_of_nothing(value: Any) -> Any:
    return None if value == "" else _id_text(value)


# Ids are numbers here and texts there, and we name them in texts of ours.
Id = Annotated[str, BeforeValidator(_id_text), StringConstraints(min_length=1, max_length=100, pattern=r"^[!-~]+$")]
# An id of the caller's own making; absent where it is empty.
OwnId = Annotated[Annotated[str, StringConstraints(max_length=256)] | None, BeforeValidator(_none_of_nothing)]


def few(events: Sequence[Each]) -> Sequence[Each]:
    """Return a delivery's events. Raises Malformed for more than can be taken in the time a platform waits."""
    if len(events) > MOST_EVENTS:
        raise Malformed(f"The delivery holds {len(events)} events; post at most {MOST_EVENTS} at once.")
    return events


def read_json(posted: Posted) -> Any:
    """Return what the body says in JSON. Line breaks within texts are let in: templates write them.

    A field that is there twice is refused: where a rule writes what a customer said as it stands, they could write
    fields of their own behind it, such as whose message it is.

    Raises:
        Malformed

    """
    try:
        text = posted.body.decode("utf-8")
        return json.loads(text, parse_constant=_refuse, object_pairs_hook=_once_each, strict=False)
    except UnicodeDecodeError as error:
        raise Malformed("The body is not UTF-8.") from error
    except RecursionError as error:
        raise Malformed("The body is nested too deeply.") from error
    except ValueError as error:
        raise Malformed("The body is not JSON.") from error


def read_fields(posted: Posted) -> Any:
    """Return what the body says in JSON, or as a form, by its content type.

    Raises:
        Malformed

    """
    if not posted.headers.get("content-type", "").lower().startswith(FORM):
        return read_json(posted)
    try:
        return _once_each(parse_qsl(posted.body.decode("utf-8"), keep_blank_values=True, max_num_fields=MOST_FIELDS))
    except (UnicodeDecodeError, ValueError) as error:
        raise Malformed("The body is not a form.") from error


def read_as(kind: type[Read], value: Any) -> Read:
    """Return a part of a delivery.

    Raises:
        Malformed: it says where; never what was there.

    """
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = "".join(f"/{part}"[:100] for part in first["loc"])
        raise Malformed(f"The delivery is not as its platform makes them: {place or '/'}.") from error


def clean(text: str | None) -> str:
    """Return text as it may be stored: without control characters and lone surrogates, ends trimmed."""
    found = text or ""
    if find_control(found) is not None:
        found = "".join(each for each in found if find_control(each) is None)
    return found.strip()


def attachment(name: Any, url: Any = None, kind: Any = None, size: Any = None) -> Attachment:
    """Return what is known of a file; what does not fit is left out."""
    shown = clean(str(name or ""))[:LONGEST_NAME] or "file"
    link = url if isinstance(url, str) and url.startswith(("https://", "http://")) and len(url) <= LONGEST_URL else None
    media = clean(kind)[:127] if isinstance(kind, str) else None
    known = size if isinstance(size, int) and not isinstance(size, bool) and 0 <= size <= 2**53 else None
    return Attachment(name=shown, content_type=media or None, size=known, url=clean(link) or None)


def _once_each(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(fields)
    if len(found) != len(fields):
        raise Malformed("The body holds a field twice; what a rule puts into JSON must be escaped.")
    return found


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)
