"""What Freshdesk posts: a rule's body made from our template. It signs nothing; a secret of ours comes back."""

from __future__ import annotations

from collections.abc import Sequence

from shared.platforms.freshdesk.settings import FreshdeskSettings
from shared.platforms.proving import require_shared
from shared.platforms.reading import read_as, read_fields
from shared.platforms.templates import Template, of_template
from shared.platforms.types import SHARED, AsksNothing, Event, OpenHook, Posted


class FreshdeskIncoming(AsksNothing):
    """Implements `shared.platforms.types.Incoming`."""

    def verify(self, posted: Posted, hook: OpenHook) -> None:
        """See `Incoming.verify`."""
        require_shared(posted, hook.secrets.get(SHARED, ()))

    def read(self, posted: Posted, hook: OpenHook) -> Sequence[Event]:
        """See `Incoming.read`."""
        body, settings = read_fields(posted), hook.settings_as(FreshdeskSettings)
        account = f"freshdesk:{settings.domain}"
        return of_template(read_as(Template, body), account, None, posted.now, settings.agent_id)
