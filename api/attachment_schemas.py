"""What callers say of the files that came with a message. The files themselves are kept elsewhere."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from shared.models import Attachment, Model
from shared.text import no_controls, not_blank

MOST = 10

Name = Annotated[str, StringConstraints(min_length=1, max_length=255), no_controls, not_blank]
ContentType = Annotated[str, StringConstraints(max_length=127, pattern=r"^[\w.+-]+/[\w.+-]+$")]
Url = Annotated[str, StringConstraints(max_length=2048, pattern=r"^https?://\S+$"), no_controls]


class AttachmentBody(Model):
    """A file that came with a message."""

    model_config = ConfigDict(populate_by_name=False)

    name: Name
    content_type: ContentType | None = Field(None, description="its media type, such as `application/pdf`")
    size: int | None = Field(None, ge=0, le=2**53, description="in bytes")
    url: Url | None = Field(None, description="where it is kept; Claude is not told")

    @property
    def kept(self) -> Attachment:
        """As it is kept."""
        return Attachment(name=self.name, content_type=self.content_type, size=self.size, url=self.url)


Attachments = Annotated[
    list[AttachmentBody],
    Field(max_length=MOST, description="files that came with the message: what is known of them, MAX_METADATA_BYTES"),
]
