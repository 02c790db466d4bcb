"""The wish to end a run early, and whoever has to hear of it."""

from collections.abc import Callable

from loader.errors import LoaderError


class Stop:
    """Asked once, a run drains: what is in flight is finished and recorded. Asked again, it ends at once.

    `reason` is None until the run is asked to stop.
    """

    def __init__(self) -> None:
        self.reason: LoaderError | None = None
        self.at_once = False
        self._drain: Callable[[LoaderError], None] | None = None
        self._abandon: Callable[[], None] | None = None

    def request(self, reason: LoaderError) -> None:
        """Ask the run to end for a reason; asking again makes it end at once."""
        if self.reason is None:
            self.reason = reason
            if self._drain is not None:
                self._drain(reason)
        else:
            self.at_once = True
            if self._abandon is not None:
                self._abandon()

    def listen(self, drain: Callable[[LoaderError], None], abandon: Callable[[], None]) -> None:
        """Name what is called when the run is asked to stop, and when it is asked again."""
        self._drain, self._abandon = drain, abandon
        if self.reason is not None:
            drain(self.reason)

    def asked(self) -> bool:
        """Return True once the run was asked to stop."""
        return self.reason is not None

    def check(self) -> None:
        """Raise the reason if the run was asked to stop."""
        if self.reason is not None:
            raise self.reason
