"""Takes, renews and releases leases: small files that say which pairs a run is doing. The driver's jobs use it.

A lease on a pair is the file ``.leases/<plan id>.<generation>.json`` of the results folder. Only the one with the
highest generation counts. Who takes over a lease that has expired makes the next generation, and of several takers
only one can make that file. A lease expires if it was not renewed for :data:`TTL_S` seconds of the clock of the
process that looks at it: clocks of two machines are never compared. If its process has ended on this machine, it
expires at once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, RLock, Thread
from typing import Protocol
from uuid import uuid4

from vlmbench.errors import StoreError
from vlmbench.run.leases.holder import Holder, lease_text, read_lease, this_process
from vlmbench.storage.base import Folder, Location
from vlmbench.storage.disk import DiskFolder
from vlmbench.storage.folders import open_folder

LEASES = ".leases"
TTL_S = 90.0
"""After this time without renewal a lease has expired. A folder on the network may show files 60 seconds late."""
RENEW_S = 20.0
LOOK_S = 1.0
"""The time between two looks at a lease of another run."""


def ticking() -> float:
    """Seconds that go on while the machine sleeps, if the system has such a clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class PairLeases(Protocol):
    """Leases on pairs by their plan id."""

    def take(self, key: str) -> Holder | None:
        """Take the lease of a pair. Returns None if this run has it now, otherwise who holds it."""

    def keeps(self, key: str) -> bool:
        """Whether no other run can have taken the pair over, since this run took it."""

    def release(self, key: str) -> None:
        """Give a lease back. A lease that this run does not hold is no error."""

    def close(self) -> None:
        """Give all leases back."""


class NoLeases:
    """The :class:`PairLeases` of a run without a results folder. Every pair is free."""

    def take(self, key: str) -> Holder | None:
        return None

    def keeps(self, key: str) -> bool:
        return True

    def release(self, key: str) -> None:
        pass

    def close(self) -> None:
        pass


@dataclass
class _Held:
    """A lease of this run.

    Attributes:
        older: the expired generations beside it, which are removed with it.
        renewed: when it was made or renewed, by :func:`ticking`.
        beat: how often it was renewed.
        lost: whether another run has taken it over.
    """

    generation: int
    older: tuple[int, ...]
    renewed: float
    beat: int = 0
    lost: bool = False


@dataclass(frozen=True)
class _Seen:
    """A lease of another run as it was seen.

    Attributes:
        since: when this version was seen first, by the clock of the one who looks.
    """

    version: str
    content: bytes
    holder: Holder
    since: float


class Leases:
    """See :class:`PairLeases`. Several threads may use one object. One thread renews what it holds.

    If a lease cannot be made, the pair is done without one, and the user is told once.

    Args:
        note: is told what the user should know.
        ttl_s, renew_s, look_s: see :data:`TTL_S`, :data:`RENEW_S`, :data:`LOOK_S`.
        clock: measures how long another run's lease has not changed. It stops while the machine sleeps, so that
            another run of this machine can renew its leases first.
        own_clock: measures how old this run's own leases are. It goes on while the machine sleeps.
    """

    def __init__(
        self,
        folder: Folder,
        note: Callable[[str], None],
        *,
        holder: Holder | None = None,
        ttl_s: float = TTL_S,
        renew_s: float = RENEW_S,
        look_s: float = LOOK_S,
        clock: Callable[[], float] = time.monotonic,
        own_clock: Callable[[], float] = ticking,
    ) -> None:
        self._folder, self._note = folder, note
        self._holder, self._run = holder or this_process(), uuid4().hex
        self._ttl_s, self._renew_s, self._look_s = ttl_s, renew_s, look_s
        self._clock, self._own_clock = clock, own_clock
        self._lock = RLock()
        self._held: dict[str, _Held] = {}
        self._seen: dict[str, _Seen] = {}
        self._put_off: set[str] = set()
        self._there: dict[str, dict[int, str]] = {}
        self._looked = float("-inf")
        self._said: set[Holder | None] = set()
        self._ended = Event()
        self._heart: Thread | None = None

    def take(self, key: str) -> Holder | None:
        """See :class:`PairLeases`. Leases that other runs hold are looked at once in ``look_s`` seconds."""
        with self._lock:
            try:
                holder = self._taken_by(key)
            except StoreError as error:
                self._without(error)
                holder = None
            (self._put_off.discard if holder is None else self._put_off.add)(key)
            if self._held and self._heart is None:
                self._heart = Thread(target=self._beat, name="leases", daemon=True)
                self._heart.start()
            return holder

    def _taken_by(self, key: str) -> Holder | None:
        if key in self._put_off:
            if self._clock() - self._looked >= self._look_s:
                self._there, self._looked = self._generations(), self._clock()
            if there := self._there.get(key):
                newest = max(there)
                if (seen := self._look(key, newest, there[newest])) and not self._is_over(key, newest, seen):
                    return seen.holder
        holder = Holder("an unknown machine", 0)
        for _ in range(3):  # another run may release the lease while this one looks
            if self._made(key, 1, ()):
                return None
            there = self._generations().get(key, {})
            if not there:
                continue
            newest = max(there)
            seen = self._look(key, newest, there[newest])
            if seen is None:
                continue
            holder = seen.holder
            if not self._is_over(key, newest, seen):
                return holder
            if self._made(key, newest + 1, tuple(there)):
                self._tell_of_the_end(holder)
                return None
        return holder

    def _made(self, key: str, generation: int, older: tuple[int, ...]) -> bool:
        """Make the lease of a generation. It does not count if there is a later one."""
        renewed = self._own_clock()
        if not self._folder.create(_name(key, generation), lease_text(self._holder, self._run, 0)):
            return False
        if max(self._generations().get(key, {generation: ""})) > generation:
            self._folder.remove(_name(key, generation))
            return False
        self._held[key] = _Held(generation, older, renewed)
        return True

    def _generations(self) -> dict[str, dict[int, str]]:
        """The versions of all leases, by their pair and generation."""
        found: dict[str, dict[int, str]] = {}
        for entry in self._folder.entries(LEASES):
            parts = entry.name.rpartition("/")[2].split(".")
            if len(parts) == 3 and parts[1].isdecimal() and parts[2] == "json":
                found.setdefault(parts[0], {})[int(parts[1])] = entry.version
        return found

    def _look(self, key: str, generation: int, version: str) -> _Seen | None:
        """A lease of another run; None if it is not there any more."""
        name = _name(key, generation)
        seen = self._seen.get(name)
        if seen is None or seen.version != version:
            seen = self._read(name, version)
        return seen

    def _read(self, name: str, version: str) -> _Seen | None:
        try:
            content = self._folder.read(name)
        except FileNotFoundError:
            self._seen.pop(name, None)
            return None
        self._seen[name] = seen = _Seen(version, content, read_lease(content)[0], self._clock())
        return seen

    def _is_over(self, key: str, generation: int, seen: _Seen) -> bool:
        if seen.holder.has_ended():
            return True
        if self._clock() - seen.since <= self._ttl_s:
            return False
        now = self._read(_name(key, generation), seen.version)  # a list of files may be older than the files
        if now is None or now.content != seen.content:
            return False
        self._seen[_name(key, generation)] = seen
        return True

    def keeps(self, key: str) -> bool:
        """See :class:`PairLeases`. It looks into the folder only if the lease was not renewed in time."""
        with self._lock:
            held = self._held.get(key)
            if held is None:
                return True
            if not held.lost and self._own_clock() - held.renewed > self._ttl_s / 2:
                self._renew(key, held, None)
            return not held.lost

    def release(self, key: str) -> None:
        """See :class:`PairLeases`. The file of a lease that another run has taken over stays."""
        with self._lock:
            if not self.keeps(key):
                self._held.pop(key)
            elif held := self._held.pop(key, None):
                try:
                    for generation in (*held.older, held.generation):
                        self._folder.remove(_name(key, generation))
                except StoreError as error:  # it expires
                    logging.getLogger(__name__).info("a lease was not removed", exc_info=error)

    def close(self) -> None:
        """See :class:`PairLeases`. The folder of leases is removed if it is empty."""
        self._ended.set()
        for key in list(self._held):
            self.release(key)
        if self._heart is not None:
            self._heart.join()
        if isinstance(self._folder.location, Path):
            with suppress(OSError):  # another run has leases, or there were none
                (self._folder.location / LEASES).rmdir()

    def _beat(self) -> None:
        while not self._ended.wait(self._renew_s):
            self.renew_all()

    def renew_all(self) -> None:
        """Renew all leases of this run. A lease that cannot be renewed now is tried again the next time."""
        if not self._held:
            return
        try:
            there = self._generations()
        except StoreError as error:
            logging.getLogger(__name__).info("leases cannot be renewed now", exc_info=error)
            return
        for key in list(self._held):
            with self._lock:
                held = self._held.get(key)
                if held is not None and not held.lost:
                    self._renew(key, held, there)

    def _renew(self, key: str, held: _Held, there: Mapping[str, Mapping[int, str]] | None) -> None:
        """Renew a lease, unless another run has taken it over.

        Args:
            there: the leases that are there; None: they are listed.
        """
        name, now = _name(key, held.generation), self._own_clock()
        try:
            if now - held.renewed > self._ttl_s / 2:  # it may have expired: another run may have made the same file
                there = self._generations()
                try:
                    run = read_lease(self._folder.read(name))[1]
                except FileNotFoundError:
                    run = ""
                held.lost = run != self._run
            elif there is None:
                there = self._generations()
            held.lost = held.lost or max(there.get(key, {held.generation: ""})) > held.generation
            if not held.lost:
                held.beat += 1
                self._folder.write(name, lease_text(self._holder, self._run, held.beat))
                held.renewed = now
        except StoreError as error:
            logging.getLogger(__name__).info("a lease cannot be renewed now", exc_info=error)

    def _tell_of_the_end(self, holder: Holder) -> None:
        if holder not in self._said:
            self._said.add(holder)
            gone = "has ended" if holder.has_ended() else f"gave no sign of life for {self._ttl_s:,.0f} seconds"
            self._note(f"another run ({holder}) {gone}; this run does the pairs that it left unfinished")

    def _without(self, error: StoreError) -> None:
        if None not in self._said:
            self._said.add(None)
            self._note(
                f"this run cannot mark the pairs that it is doing ({error.message}), so another run on the same "
                "results may do them at the same time; the records are correct all the same"
            )


def _name(key: str, generation: int) -> str:
    return f"{LEASES}/{key}.{generation}.json"


def leases_of(results: Location | None, note: Callable[[str], None]) -> PairLeases:
    """The leases of a run in its results folder; without a results folder every pair is free."""
    if results is None:
        return NoLeases()
    # After a loss of power no run is at work, so that leases need not be on the disk.
    folder = DiskFolder(results, durable=False) if isinstance(results, Path) else open_folder(results)
    return Leases(folder, note)
