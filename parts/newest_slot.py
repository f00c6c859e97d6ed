"""A slot between a producer that must not wait and a consumer that wants the newest item only."""

import threading
from typing import Generic, TypeVar

Item = TypeVar("Item")


class NewestSlot(Generic[Item]):
    """Holds the newest item: `put` replaces one that was not yet taken, `take` waits for one.

    Example:
        >>> slot: NewestSlot[str] = NewestSlot()
        >>> slot.put("first")
        >>> slot.put("second")
        >>> slot.take()
        'second'
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._items: list[Item] = []  # none or one
        self._closed = False

    def put(self, item: Item) -> None:
        """Offer an item. Never waits for the consumer."""
        with self._condition:
            self._items = [item]
            self._condition.notify()

    def take(self) -> Item | None:
        """Wait for an item and return it; None once the slot is closed."""
        with self._condition:
            self._condition.wait_for(lambda: self._items or self._closed)
            return None if self._closed else self._items.pop()

    def close(self) -> None:
        """Release the consumer."""
        with self._condition:
            self._closed = True
            self._condition.notify()
