"""Work in threads."""

from __future__ import annotations

from threading import Barrier, Event, Thread
from threading import enumerate as enumerate_threads

from vlmbench.data.hub.parallel import in_parallel


def test_results_and_errors_come_back_with_their_items() -> None:
    found = dict(in_parallel(lambda number: 6 // number, [1, 0, 3], workers=2))
    assert (found[0], found[2]) == (6, 2) and isinstance(found[1], ZeroDivisionError)
    assert list(in_parallel(str, [], workers=2)) == []


def test_a_panic_of_native_code_comes_back_too() -> None:
    class Panic(BaseException):
        pass

    def work(number: int) -> int:
        if number:
            raise Panic("it is no Exception")
        return number

    found: list[tuple[int, object]] = []
    waiting = Thread(target=lambda: found.extend(in_parallel(work, [1, 0], workers=1)), daemon=True)
    waiting.start()
    waiting.join(30)
    assert not waiting.is_alive()
    assert isinstance(found[0][1], Panic) and found[1] == (1, 0)


def test_items_are_worked_on_side_by_side() -> None:
    together = Barrier(3, timeout=30)
    assert len(list(in_parallel(lambda _: together.wait(), range(3), workers=3))) == 3


def test_who_leaves_early_stops_what_is_not_begun() -> None:
    begun: list[int] = []
    go_on = Event()

    def work(number: int) -> None:
        begun.append(number)
        if number:
            go_on.wait(30)

    others = set(enumerate_threads())
    results = in_parallel(work, range(1000), workers=1)
    next(results)
    results.close()
    go_on.set()
    for thread in set(enumerate_threads()) - others:
        thread.join(30)
    assert len(begun) <= 2
