"""What cameras in a network have in common, whatever they speak."""

from __future__ import annotations

from edgecnn.runtime.live import LiveSource
from edgecnn.runtime.sources.network import parse_address, refuse_format


class NetworkSource(LiveSource):
    """A camera with a URL.

    Args:
        url: with user and password, if it wants them; they are not shown.

    Raises:
        SourceError: this is no such address.
    """

    takes_request = True

    def __init__(self, url: str) -> None:
        self._url = url
        self._target = parse_address(url)
        super().__init__(self._target.shown)

    def start(self) -> None:
        """Begin to connect.

        Raises:
            SourceError: what is asked for cannot be had.
        """
        refuse_format(self.address, self.request)
        super().start()
