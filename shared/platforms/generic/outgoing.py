"""Answering on a platform of which this service knows nothing, by the templates of the hook."""

from __future__ import annotations

from typing import Any

from shared.platforms.generic.calls import CallTemplate
from shared.platforms.generic.paths import find, holds
from shared.platforms.generic.settings import GenericSettings
from shared.platforms.outgoing import Plain, as_html, says, token_of
from shared.platforms.types import Call, OpenHook, Words


class GenericOutgoing(Plain):
    """Implements `shared.platforms.types.Outgoing`. What the hook has no template of, is not done."""

    def longest(self, hook: OpenHook) -> int:
        """See `Outgoing.longest`."""
        return _of(hook).longest

    def reply(self, hook: OpenHook, conversation: str, words: Words) -> Call | None:
        """See `Outgoing.reply`."""
        return _filled(hook, _of(hook).reply, conversation, words.text, words.mark)

    def note(self, hook: OpenHook, conversation: str, words: Words) -> Call | None:
        """See `Outgoing.note`."""
        return _filled(hook, _of(hook).note, conversation, words.text, words.mark)

    def hand_off(self, hook: OpenHook, conversation: str, brief: str) -> Call | None:
        """See `Outgoing.hand_off`."""
        return _filled(hook, _of(hook).hand_off, conversation, brief, "")

    def look(self, hook: OpenHook, conversation: str) -> Call | None:
        """See `Outgoing.look`."""
        return _filled(hook, _of(hook).look, conversation, "", "")

    def is_there(self, hook: OpenHook, answer: Any, words: Words, *, private: bool) -> bool:
        """See `Outgoing.is_there`."""
        look = _of(hook).look
        path = None if look is None else look.notes if private else look.said
        found = find(path, answer) if path is not None else None
        texts = found if isinstance(found, list) else [found]
        return any(text == words.mark or says(text, words) for text in texts)

    def handler(self, hook: OpenHook, conversation: str) -> Call | None:
        """See `Outgoing.handler`."""
        return _filled(hook, _of(hook).handler, conversation, "", "")

    def is_ours(self, hook: OpenHook, answer: Any) -> bool:
        """See `Outgoing.is_ours`."""
        asked = _of(hook).handler
        return asked is None or holds(asked.agent, answer)


def _of(hook: OpenHook) -> GenericSettings:
    return hook.settings_as(GenericSettings)


def _filled(hook: OpenHook, template: CallTemplate | None, conversation: str, text: str, mark: str) -> Call | None:
    if template is None:
        return None
    said = {"conversation": conversation, "text": text, "html": as_html(text), "mark": mark}
    return template.filled(token_of(hook), said)
