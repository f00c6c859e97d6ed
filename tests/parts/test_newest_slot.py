"""The slot between the drive loop and the worker."""

import threading

from mle_uvad.parts.newest_slot import NewestSlot


def test_the_newest_item_replaces_one_that_was_not_taken() -> None:
    slot: NewestSlot[int] = NewestSlot()
    for item in range(5):
        slot.put(item)
    assert slot.take() == 4


def test_an_item_is_taken_once_and_closing_the_slot_releases_the_consumer() -> None:
    slot: NewestSlot[int] = NewestSlot()
    taken: list[int] = []
    received = threading.Semaphore(0)

    def consume() -> None:
        while (item := slot.take()) is not None:
            taken.append(item)
            received.release()

    consumer = threading.Thread(target=consume)
    consumer.start()
    for item in range(100):
        slot.put(item)
        assert received.acquire(timeout=5), "the consumer was not woken"
    slot.close()
    consumer.join(timeout=5)
    assert not consumer.is_alive()
    assert taken == list(range(100))


def test_none_is_no_item_but_a_wrapped_none_is() -> None:
    slot: NewestSlot[tuple[object, float]] = NewestSlot()
    slot.put((None, 1.0))
    assert slot.take() == (None, 1.0)


def test_a_slot_that_was_closed_before_gives_nothing() -> None:
    slot: NewestSlot[int] = NewestSlot()
    slot.put(1)
    slot.close()
    assert slot.take() is None
