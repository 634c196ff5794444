"""Reads files in object storage in blocks that threads share, and reads ahead if the reads follow each other.

A request to object storage takes tens of milliseconds before its first byte, so that neighbouring images are read with
one request, and the next requests are on their way before their images are asked for. The listing of shards and the
streamed webdatasets use it.
"""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from threading import BoundedSemaphore, Lock, Thread

from vlmbench.storage.base import Entry

BLOCK_BYTES = 4 * 2**20
AHEAD = 3
"""How many blocks are asked for before they are needed."""
_KEPT = 24
"""How many blocks are kept for a dataset: 96 MiB."""
KEPT_OF_ONE_FILE = AHEAD + 2
"""How many blocks are kept for a file that one thread reads once."""
_DATASETS_KEPT = 2
"""How many datasets keep blocks at the same time: a run opens many, and reads one or two of them by turns."""
_AT_ONCE = 16
_NEAR_BYTES = 2**19
_NEAR_READS = 4
"""A read that begins at most this many bytes, or this many times its own size, behind the furthest one follows it. What
lies between them is read for nothing, which takes less time than one more request."""
_BACK_BYTES = 4 * BLOCK_BYTES
"""Threads that read one after the other do not ask in this order exactly."""

ReadRange = Callable[[Entry, int, int], bytes]
"""Reads the bytes of a file from a position up to another."""


class Blocks:
    """Parts of files, read by many threads.

    Args:
        read_range: reads a part of a file; it is called from several threads.
        kept: how many blocks are kept.
    """

    def __init__(self, read_range: ReadRange, kept: int = _KEPT) -> None:
        self._read_range = read_range
        self._kept = kept
        self._lock = Lock()
        self._blocks: OrderedDict[tuple[str, int], Future[bytes]] = OrderedDict()
        self._furthest: dict[str, int] = {}
        self._at_once = BoundedSemaphore(_AT_ONCE)

    def read(self, entry: Entry, start: int, size: int) -> bytes:
        """A part of a file. Its errors are those of ``read_range``.

        A read that follows earlier reads of the file takes whole blocks. Any other reads only the part.
        """
        _READ_LAST.note(self)
        stop = start + size
        with self._lock:
            furthest = self._furthest.get(entry.name, 0)
            follows = furthest - _BACK_BYTES <= start <= furthest + max(_NEAR_BYTES, _NEAR_READS * size)
            self._furthest[entry.name] = max(furthest, stop) if follows else stop
        if size > BLOCK_BYTES or not follows:
            return self._request(entry, start, stop)
        first, last = start // BLOCK_BYTES, max(start, stop - 1) // BLOCK_BYTES
        if furthest:
            self._ask_ahead(entry, last)
        parts = [self._block(entry, number) for number in range(first, last + 1)]
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        return data[start - first * BLOCK_BYTES : stop - first * BLOCK_BYTES]

    def read_block(self, entry: Entry, number: int, *, follows: bool) -> bytes:
        """One block of a file.

        Args:
            follows: whether the blocks behind it are likely to be read next.
        """
        if follows:
            self._ask_ahead(entry, number)
        return self._block(entry, number)

    def forget(self) -> None:
        """Free the memory of all blocks. Threads that wait for one still get it."""
        with self._lock:
            self._blocks.clear()

    def _ask_ahead(self, entry: Entry, last: int) -> None:
        """Ask for the blocks behind one, unless they are there or on their way."""
        end = -(-entry.size // BLOCK_BYTES)
        for number in range(last, min(last + 1 + AHEAD, end)):
            future, is_new = self._future(entry, number)
            if is_new:
                Thread(target=self._fill, args=(future, entry, number), daemon=True).start()

    def _block(self, entry: Entry, number: int) -> bytes:
        future, is_new = self._future(entry, number)
        if is_new:
            self._fill(future, entry, number)
        return future.result()

    def _future(self, entry: Entry, number: int) -> tuple[Future[bytes], bool]:
        """The block that is there or on its way, or a new one that the caller must fill."""
        key = entry.name, number
        with self._lock:
            if (future := self._blocks.get(key)) is not None:
                self._blocks.move_to_end(key)
                return future, False
            future = self._blocks[key] = Future()
            while len(self._blocks) > self._kept:
                self._blocks.popitem(last=False)
            return future, True

    def _fill(self, future: Future[bytes], entry: Entry, number: int) -> None:
        start = number * BLOCK_BYTES
        try:
            data = self._request(entry, start, min(start + BLOCK_BYTES, entry.size))
        except BaseException as error:
            with self._lock:  # the next read asks again
                if self._blocks.get((entry.name, number)) is future:
                    del self._blocks[entry.name, number]
            future.set_exception(error)
            return
        future.set_result(data)

    def _request(self, entry: Entry, start: int, stop: int) -> bytes:
        with self._at_once:
            return self._read_range(entry, start, stop)


class _ReadLast:
    """The datasets that were read last. All others forget their blocks."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._recent: list[Blocks] = []

    def note(self, blocks: Blocks) -> None:
        """Note that a dataset is being read."""
        if self._recent and self._recent[-1] is blocks:
            return
        with self._lock:
            others = [each for each in self._recent if each is not blocks]
            for old in others[: -(_DATASETS_KEPT - 1)]:
                old.forget()
            self._recent = [*others[-(_DATASETS_KEPT - 1) :], blocks]


_READ_LAST = _ReadLast()


class BlockFile(io.RawIOBase):
    """A file in object storage as a binary file that is read from its beginning to its end. Parts may be skipped.

    It is for one thread.

    Args:
        blocks: reads it.
        entry: the file.
    """

    def __init__(self, blocks: Blocks, entry: Entry) -> None:
        self._blocks = blocks
        self._entry = entry
        self._place = 0
        self._number = -1
        self._block = b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._entry.size}[whence]
        self._place = max(0, base + offset)
        return self._place

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._entry.size - self._place)
        size = left if size < 0 else min(size, left)
        parts = []
        while size:
            number, start = divmod(self._place, BLOCK_BYTES)
            if number != self._number:
                self._block = self._blocks.read_block(self._entry, number, follows=number == self._number + 1)
                self._number = number
            part = self._block[start : start + size]
            self._place += len(part)
            size -= len(part)
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)
