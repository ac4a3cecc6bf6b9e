"""Tell a channel through Apprise: one URL for Slack, e-mail, Teams and some 100 others."""

from __future__ import annotations

import asyncio

from gonogo.model.errors import PermanentError, TemporaryError
from gonogo.ports import Notifier


class AppriseNotifier:
    """channel is an Apprise URL; it is a secret and is never shown."""

    async def send(self, channel: str, title: str, text: str) -> None:
        """Send one message. TemporaryError when it was not accepted."""
        import apprise

        sender = apprise.Apprise()
        if not sender.add(channel):
            raise PermanentError("the channel's address is not one that Apprise understands")
        if not await asyncio.to_thread(sender.notify, body=text or title, title=title):
            raise TemporaryError("the channel did not accept the message")


NOTIFIER: Notifier = AppriseNotifier()
