"""Where calls run: one device thread, a pool for the CPU, a pool for files and network, and a loop for coroutines.

Rules: work of the device lane runs one piece at a time, in the order in which it came. The device lane is a queue that
some thread serves: the main thread of a host process (packs were written for it), a thread of its own elsewhere.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any, TypeVar

from limner.graph import Lane

T = TypeVar("T")

Work = Callable[[], None]
Guard = Callable[[], AbstractContextManager[object]]
"""What every thread that runs nodes is in while it does (such as `torch.inference_mode`)."""


def no_guard() -> AbstractContextManager[object]:
    return nullcontext()


class DeviceQueue:
    """Pieces of work for one thread."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[tuple[Work, Future[None]] | None] = queue.SimpleQueue()

    def submit(self, work: Work) -> Future[None]:
        future: Future[None] = Future()
        self._queue.put((work, future))
        return future

    def serve(self) -> None:
        """Do the work that comes, until `stop`."""
        while (item := self._queue.get()) is not None:
            work, future = item
            if not future.set_running_or_notify_cancel():
                continue
            try:
                work()
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(None)
            del item, work, future

    def stop(self) -> None:
        self._queue.put(None)


class Lanes:
    """The lanes of one host. `device_thread` False: somebody else calls `device.serve()`."""

    def __init__(
        self, *, guard: Guard = no_guard, cpu_workers: int = 0, io_workers: int = 16, device_thread: bool = True
    ) -> None:
        self.device = DeviceQueue()
        self._guard = guard
        workers = cpu_workers or max(8, os.cpu_count() or 1)
        self._cpu = ThreadPoolExecutor(workers, thread_name_prefix="limner-cpu")
        self._io = ThreadPoolExecutor(io_workers, thread_name_prefix="limner-io")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        if device_thread:
            self._start(self.device.serve, "limner-device")

    def submit(self, lane: Lane, work: Work) -> Future[None]:
        """Run it in a lane of threads, guarded."""
        if lane is Lane.CPU:
            return self._cpu.submit(self._guarded, work)
        if lane is Lane.IO:
            return self._io.submit(self._guarded, work)
        return self.device.submit(lambda: self._guarded(work))

    def start(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine in the async lane."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._async_loop())

    def close(self) -> None:
        """Finish what runs; nothing may be submitted any more."""
        self.device.stop()
        self._cpu.shutdown(wait=False, cancel_futures=True)
        self._io.shutdown(wait=False, cancel_futures=True)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
        for thread in self._threads:
            thread.join(timeout=1)

    def _guarded(self, work: Work) -> None:
        with self._guard():
            work()

    def _async_loop(self) -> asyncio.AbstractEventLoop:
        with self._loop_lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._start(self._serve_loop, "limner-async")
            return self._loop

    def _serve_loop(self) -> None:
        """The guard is entered once, for all coroutines: they take turns, so none could leave it in order."""
        loop = self._loop
        assert loop is not None
        asyncio.set_event_loop(loop)
        with ExitStack() as stack:
            stack.enter_context(self._guard())
            try:
                loop.run_forever()
            finally:
                pending = asyncio.all_tasks(loop)
                for task in pending:
                    task.cancel()
                if pending:
                    loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
                loop.close()

    def _start(self, target: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=target, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)
