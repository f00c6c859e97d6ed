"""Runs one function on many drives in processes that outlive neither their parent nor each other's death."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from typing import Any

from ..edge.errors import InputError

Call = tuple[Any, ...]


def run_in_workers(
    function: Callable[..., Any], calls: Sequence[Call], workers: int
) -> Iterator[tuple[int, Any | InputError]]:
    """Call the function with each tuple of arguments; yield the number of the call and its result, as they finish.

    An InputError is yielded in place of a result, also for a call whose process was killed, ran out of memory or met an
    OSError; the others go on. When the caller stops, calls under way are finished and no other begins.
    """
    # Each thread has a process of its own: in one pool for all, a process that is killed takes the others with it.
    local = threading.local()
    pools: list[ProcessPoolExecutor] = []

    def call_in_own_process(arguments: Call) -> Any:
        if getattr(local, "pool", None) is None:
            # Spawned, not forked: the runtime may have started threads, which a fork would lose.
            local.pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_end_with_parent)
            pools.append(local.pool)
        try:
            return local.pool.submit(function, *arguments).result()
        except BrokenProcessPool:
            local.pool = None
            return InputError("its process was killed, perhaps for want of memory; score it again with --jobs 1")
        except MemoryError:
            return InputError("its process ran out of memory; score it again with --jobs 1")
        except OSError as error:
            return InputError(f"{error.filename or 'the system'}: {error.strerror or error}")
        except InputError as error:
            return error

    with ThreadPoolExecutor(workers) as threads:
        tasks: dict[Future[Any], int] = {}
        try:
            tasks = {threads.submit(call_in_own_process, call): number for number, call in enumerate(calls)}
            for task in as_completed(tasks):
                yield tasks[task], task.result()
        finally:
            threads.shutdown(cancel_futures=True)
            for pool in pools:
                pool.shutdown()


def _end_with_parent() -> None:
    """Make this process end when its parent does, however that ends."""
    parent = parent_process()
    assert parent is not None  # it was spawned

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
