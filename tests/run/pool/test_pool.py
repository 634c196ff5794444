"""What a pool does with its workers: order, retries, splits and nodes. The workers are scripted; no model is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest
from run.scripted_crew import COUNTS, FACTS, ScriptedCrew, ScriptedWorker, done, failure, jobs, run

from vlmbench.errors import WorkerError
from vlmbench.run.pool.events import Answered, Died, Encoded, Event, Prompts, Ready
from vlmbench.run.pool.pieces import Carried, Piece

KILLED = "it was killed by signal 9 (SIGKILL)"


def given(crew: ScriptedCrew) -> list[tuple[str, str]]:
    return [(piece.job.model.name, piece.job.task.name) for _, _, piece in crew.given]


@pytest.mark.parametrize("workers", [1, 2, 4, 9])
def test_every_job_is_answered_once(workers: int) -> None:
    crew = ScriptedCrew({"n": workers})
    plan = jobs(["a", "b"], ["s", "t", "u"])
    answers, _ = run(crew, plan)
    assert sorted(answer.number for answer in answers) == list(range(6))
    assert len(crew.started) == min(workers, 6) and crew.closed


def test_without_jobs_no_worker_is_started() -> None:
    crew = ScriptedCrew({"n": 2})
    assert run(crew, [])[0] == []
    assert crew.started == []


def test_a_worker_keeps_its_model_and_large_tasks_come_first() -> None:
    crew = ScriptedCrew({"n": 2})
    run(crew, jobs(["a", "b"], ["s", ("t", 30, "t"), "u"]))
    by_worker: dict[int, list[tuple[str, str]]] = {}
    for worker in crew.started:
        by_worker[worker.number] = []
    order = given(crew)
    assert order[:2] == [("a", "t"), ("b", "t")]  # each its own model, the largest first
    assert order[2:] == [("a", "s"), ("b", "s"), ("a", "u"), ("b", "u")]


def test_images_that_a_worker_encodes_are_waited_for() -> None:
    """Two tasks on the same images: the second is given when the first is done, and the worker is idle until then."""
    slow: dict[int, int] = {}

    def script(worker: ScriptedWorker, piece: Piece) -> Iterable[Event]:
        slow[piece.number] = slow.get(piece.number, 0) + 1
        if slow[piece.number] < 3:
            worker.given.append(piece)
            return []
        return done(worker, piece)

    crew = ScriptedCrew({"n": 2}, script)
    run(crew, jobs(["a"], ["photos@one", "photos@two"]))
    first = [tick for tick, _, piece in crew.given if piece.job.number == 0]
    second = [tick for tick, _, piece in crew.given if piece.job.number == 1]
    assert max(first) < min(second)


def test_prompts_are_encoded_once_in_a_cluster() -> None:
    """The second node gets the features of the prompts that the first has computed."""
    crew = ScriptedCrew({"one": 1, "two": 1})
    run(crew, jobs(["a"], [("s", 10, "same"), ("t", 10, "same"), ("u", 10, "same")]))
    assert crew.given[0][2].carried == ()
    for _, node, piece in crew.given[1:]:
        assert piece.carried == (() if node == "one" else (Carried("texts", "prompts of one"),))


def test_a_lost_pair_is_tried_again_elsewhere_and_then_fails() -> None:
    def script(worker: ScriptedWorker, piece: Piece) -> Iterable[Event]:
        return [Died(KILLED, log="bang")] if piece.job.task.name == "poison" else done(worker, piece)

    crew = ScriptedCrew({"one": 1, "two": 1}, script)
    answers, state = run(crew, jobs(["a"], ["s", "poison", "t"]))
    by_number = {answer.number: answer for answer in answers}
    assert [by_number[number].status for number in range(3)] == ["done", "failed", "done"]
    lost = by_number[1].failure
    assert lost is not None and lost.error == "WorkerError"
    assert lost.message == f"3 workers died while they worked on it, the last because {KILLED}"
    assert by_number[1].log.count("bang") == 3
    nodes = [node for _, node, piece in crew.given if piece.job.number == 1]
    assert len(nodes) == 3 and set(nodes) == {"one", "two"}
    assert not [note for note in state.listener.notes if "left out" in note]  # the pair is the cause


def test_memory_that_runs_out_halves_the_batch() -> None:
    def script(worker: ScriptedWorker, piece: Piece) -> Iterable[Event]:
        if piece.halvings == 0:
            return [Died("the system killed it, because memory ran out", out_of_memory=True)]
        return [failure(piece, "OutOfMemoryError")] if piece.halvings == 1 else done(worker, piece)

    crew = ScriptedCrew({"one": 1}, script)
    answers, state = run(crew, jobs(["a"], ["s"]))
    assert [answer.status for answer in answers] == ["done"]
    assert [piece.halvings for _, _, piece in crew.given] == [0, 1, 2]
    assert any("batches 4 times smaller" in note for note in state.listener.notes)


def test_an_error_of_the_pair_itself_is_not_tried_again() -> None:
    crew = ScriptedCrew({"one": 1}, lambda worker, piece: [failure(piece, "DataError")])
    answers, _ = run(crew, jobs(["a"], ["s", "t"]))
    assert [answer.status for answer in answers] == ["failed", "failed"] and len(crew.given) == 2


def test_a_node_that_kills_two_workers_is_left_out() -> None:
    def script(worker: ScriptedWorker, piece: Piece) -> Iterable[Event]:
        return [Died(KILLED)] if worker.slot.node == "bad" else done(worker, piece)

    crew = ScriptedCrew({"bad": 1, "good": 1}, script)
    answers, state = run(crew, jobs(["a"], [f"t{number}" for number in range(8)]))
    assert [answer.status for answer in answers] == ["done"] * 8
    assert sum(node == "bad" for _, node, _ in crew.given) == 2
    assert [note for note in state.listener.notes if "left out" in note] == [
        "<bad> is left out from now on: 2 workers died there at different pairs"
    ]


def test_the_last_node_is_never_left_out() -> None:
    seen: set[int] = set()

    def script(worker: ScriptedWorker, piece: Piece) -> Iterable[Event]:
        first = piece.job.number not in seen
        seen.add(piece.job.number)
        return [Died(KILLED)] if first else done(worker, piece)

    answers, _ = run(ScriptedCrew({"only": 2}, script), jobs(["a"], ["s", "t", "u", "v"]))
    assert [answer.status for answer in answers] == ["done"] * 4


def test_workers_that_do_not_start_end_the_run_with_the_reason() -> None:
    class Broken(ScriptedCrew):
        def events(self, seconds: float) -> Iterable[tuple[ScriptedWorker, Event]]:  # type: ignore[override]
            self.ticks += 1
            new, self._new = self._new, []
            return [(worker, Died("no CUDA driver", starting=True)) for worker in new]

    with pytest.raises(
        WorkerError, match=r"no worker is left for 1 pair \(<n>: 2 workers did not start there: no CUDA"
    ):
        run(Broken({"n": 1}), jobs(["a"], ["s"]))


def test_workers_that_die_before_they_are_ready_are_replaced_as_long_as_others_start() -> None:
    class Shaky(ScriptedCrew):
        def events(self, seconds: float) -> Iterator[tuple[ScriptedWorker, Event]]:
            for worker, event in super().events(seconds):
                dies = isinstance(event, Ready) and worker.number % 2 == 0
                worker.stopped |= dies
                yield worker, Died(KILLED, starting=True) if dies else event

    def script(worker: ScriptedWorker, piece: Piece) -> Iterable[Event]:
        return [Died(KILLED)] if piece.attempt == 0 else done(worker, piece)

    crew = Shaky({"n": 1}, script)
    answers, _ = run(crew, jobs(["a"], ["s", "t", "u", "v"]))
    assert [answer.status for answer in answers] == ["done"] * 4
    assert sum(worker.number % 2 == 0 for worker in crew.started) >= 4


def test_a_node_with_other_code_is_refused() -> None:
    other = replace(FACTS, environment=FACTS.environment.model_copy(update={"packages": {"torch": "1.0"}}))
    crew = ScriptedCrew({"old": 1, "new": 1}, facts={"old": other})
    answers, state = run(crew, jobs(["a"], ["s", "t"]))
    assert len(answers) == 2 and {node for _, node, _ in crew.given} == {"new"}
    (note,) = [note for note in state.listener.notes if "left out" in note]
    assert note.startswith("<old> is left out from now on: it does not run what this process runs: ")
    assert "torch 1.0 instead of " in note
    assert next(worker for worker in crew.started if worker.slot.node == "old").stopped

    edited = replace(FACTS, code="0" * 64)
    with pytest.raises(WorkerError, match="another state of the code of vlmbench"):
        run(ScriptedCrew({"n": 1}, facts={"n": edited}), jobs(["a"], ["s"]))


def test_a_node_that_joins_late_gets_work() -> None:
    crew = ScriptedCrew({"early": 1}, joins=[(3, "late", 2)])
    run(crew, jobs(["a"], [f"t{number}" for number in range(9)]))
    assert {node for _, node, _ in crew.given} == {"early", "late"} and crew.ticks < 8


def test_a_large_pair_is_split_over_idle_workers_and_joined() -> None:
    crew = ScriptedCrew({"one": 2, "two": 2})
    answers, state = run(crew, jobs(["a"], [("large", 1500, "large")]), split_at=1000)
    assert [answer.status for answer in answers] == ["done"]
    parts = [piece.part for _, _, piece in crew.given if piece.part]
    assert [(part.start, part.stop) for part in parts] == [(0, 512), (512, 1024), (1024, 1500)]
    whole = crew.given[-1][2]
    assert whole.part is None and whole.done == (COUNTS,) * 3
    assert {carried.rows for carried in whole.carried} == {
        "rows of 0 to 512",
        "rows of 512 to 1024",
        "rows of 1024 to 1500",
    }
    assert state.listener.started == [("a", "large")]


def test_a_pair_is_not_split_if_every_worker_has_something_to_do() -> None:
    plan = jobs(["a", "b"], [("large", 5000, "large"), ("other", 5000, "other")])
    crew = ScriptedCrew({"n": 2})
    run(crew, plan, split_at=1000)
    assert not [piece for _, _, piece in crew.given[:2] if piece.part]
    off = ScriptedCrew({"n": 4})
    run(off, jobs(["a"], [("large", 5000, "large")], use_cache=False), split_at=1000)
    assert not [piece for _, _, piece in off.given if piece.part]  # without a cache, parts could not be joined


def test_parts_are_whole_batches() -> None:
    crew = ScriptedCrew({"n": 3})
    run(crew, jobs(["a"], [("large", 1000, "large")], batch_size=100), split_at=500)
    assert [(p.part.start, p.part.stop) for _, _, p in crew.given if p.part] == [(0, 400), (400, 800), (800, 1000)]


def test_a_lost_part_is_encoded_again_and_a_part_without_features_is_left_to_the_pair() -> None:
    lost: list[int] = []

    def script(worker: ScriptedWorker, piece: Piece) -> Iterable[Event]:
        if piece.part and piece.part.start == 256 and not lost:
            lost.append(piece.number)
            return [Died(KILLED)]
        if piece.part and piece.part.start == 0:
            return [Encoded(piece.number, None)]
        return done(worker, piece)

    crew = ScriptedCrew({"n": 2}, script)
    answers, _ = run(crew, jobs(["a"], [("large", 512, "large")]), split_at=500)
    assert [answer.status for answer in answers] == ["done"]
    assert [piece.part.start for _, _, piece in crew.given if piece.part].count(256) == 2
    assert crew.given[-1][2].done == (COUNTS,)


def test_a_part_that_kills_every_worker_fails_the_pair_once() -> None:
    def script(worker: ScriptedWorker, piece: Piece) -> Iterable[Event]:
        return [Died(KILLED)] if piece.part and piece.part.start else done(worker, piece)

    crew = ScriptedCrew({"n": 4}, script)
    answers, _ = run(crew, jobs(["a"], [("large", 1024, "large"), "small"]), split_at=500)
    assert sorted((answer.number, answer.status) for answer in answers) == [(0, "failed"), (1, "done")]


def test_pairs_that_another_run_is_doing_are_asked_for_again() -> None:
    plan = jobs(["a"], ["s", "t"])

    class Leased:
        def __init__(self) -> None:
            self.left = {job.number: job for job in plan}
            self.asked = 0

        def waiting(self) -> list[object]:
            return list(self.left.values())

        def take(self, number: int) -> object:
            self.asked += number == 0
            return None if number == 0 and self.asked < 2 else self.left.pop(number)

        def __iter__(self) -> object:
            raise AssertionError("a pool chooses")

    from run.scripted_crew import FakeState

    from vlmbench.run.pool import pool as module
    from vlmbench.run.pool.arguments import PoolOptions

    crew, leased = ScriptedCrew({"n": 1}), Leased()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_ASKS_AGAIN_S", 0.0)
        answers = list(module.Pool(crew, PoolOptions()).run(leased, FakeState(plan[0].settings)))  # type: ignore[arg-type]
    assert [answer.number for answer in answers] == [1, 0]


def test_closing_early_stops_the_crew() -> None:
    from run.scripted_crew import FakeState

    from vlmbench.run.pool.arguments import PoolOptions
    from vlmbench.run.pool.pool import Pool

    plan = jobs(["a"], ["s", "t"])
    crew = ScriptedCrew({"n": 1})
    answers = Pool(crew, PoolOptions()).run(plan, FakeState(plan[0].settings))  # type: ignore[arg-type]
    assert next(answers).status == "done"
    answers.close()
    assert crew.closed and len(crew.given) == 1


def test_what_is_told_after_an_answer_is_ignored() -> None:
    def script(worker: ScriptedWorker, piece: Piece) -> Iterable[Event]:
        return [*done(worker, piece), Prompts(), Answered(piece.number, done(worker, piece)[1].answer)]  # type: ignore[attr-defined]

    answers, _ = run(ScriptedCrew({"n": 1}, script), jobs(["a"], ["s"]))
    assert len(answers) == 1


def test_a_lost_pair_gets_a_worker_on_another_node_although_one_here_is_idle() -> None:
    lost: list[int] = []

    def script(worker: ScriptedWorker, piece: Piece) -> Iterable[Event]:
        if piece.job.task.name == "unlucky" and not lost:
            lost.append(worker.number)
            return [Died(KILLED)]
        return done(worker, piece)

    crew = ScriptedCrew({"one": 2}, script, joins=[(2, "two", 1)])  # at the third tick, one worker is idle on "one"
    answers, _ = run(crew, jobs(["a"], ["unlucky", "t"]))
    assert [answer.status for answer in answers] == ["done"] * 2
    assert [node for _, node, piece in crew.given if piece.job.task.name == "unlucky"] == ["one", "two"]


def test_a_lost_pair_stays_here_if_no_worker_may_be_started_elsewhere() -> None:
    lost: list[int] = []

    def script(worker: ScriptedWorker, piece: Piece) -> Iterable[Event]:
        if not lost:
            lost.append(worker.number)
            return [Died(KILLED)]
        return done(worker, piece)

    crew = ScriptedCrew({"one": 2, "two": 1}, script)
    crew.places.sort(key=lambda slot: slot.node)
    answers, _ = run(crew, jobs(["a"], ["s", "t"]), workers=1)
    assert [answer.status for answer in answers] == ["done"] * 2


def test_a_place_in_which_no_worker_starts_is_left_empty_and_the_others_go_on() -> None:
    """Such as a broken GPU beside good ones."""

    class OneBroken(ScriptedCrew):
        def events(self, seconds: float) -> Iterator[tuple[ScriptedWorker, Event]]:
            for worker, event in super().events(seconds):
                broken = worker.slot.number == 1
                worker.stopped |= broken
                yield worker, Died("no CUDA driver", starting=True) if broken else event

    crew = OneBroken({"n": 3})
    answers, state = run(crew, jobs(["a"], [f"t{number}" for number in range(9)]))
    assert [answer.status for answer in answers] == ["done"] * 9
    assert sum(worker.slot.number == 1 for worker in crew.started) == 2
    assert not [note for note in state.listener.notes if "left out" in note]


def test_a_node_that_is_left_out_gets_no_further_parts() -> None:
    """A worker that is encoding a part when its node is refused is stopped after that part."""

    class LateAndOther(ScriptedCrew):
        def events(self, seconds: float) -> Iterator[tuple[ScriptedWorker, Event]]:
            for worker, event in super().events(seconds):
                if (worker.slot.node, worker.slot.number) != ("bad", 1):
                    yield worker, event
            if self.ticks == 3:  # the other worker on its node has a part by now
                late = next(worker for worker in self.started if (worker.slot.node, worker.slot.number) == ("bad", 1))
                yield late, Ready(replace(FACTS, code="0" * 64))

    waits: list[int] = []

    def script(worker: ScriptedWorker, piece: Piece) -> Iterable[Event]:
        if worker.slot.node == "bad" and len(waits) < 3:
            waits.append(piece.number)
            worker.given.append(piece)
            return []
        return done(worker, piece)

    crew = LateAndOther({"bad": 2, "good": 2}, script)
    answers, _ = run(crew, jobs(["a"], [("large", 4096, "large")]), split_at=1024)
    assert [answer.status for answer in answers] == ["done"]
    assert waits and {node for _, node, piece in crew.given if piece.part is None} == {"good"}


def test_features_in_the_cache_serve_any_number_of_workers() -> None:
    """Only the first pair on a dataset's images is waited for."""
    ticks: dict[int, int] = {}

    def script(worker: ScriptedWorker, piece: Piece) -> Iterable[Event]:
        ticks[piece.number] = ticks.get(piece.number, 0) + 1
        if ticks[piece.number] < 3:
            worker.given.append(piece)
            return []
        return done(worker, piece)

    crew = ScriptedCrew({"n": 3}, script)
    run(crew, jobs(["a"], ["photos@one", "photos@two", "photos@three"]))
    spans = [[tick for tick, _, piece in crew.given if piece.job.number == number] for number in range(3)]
    assert max(spans[0]) < min(spans[1]) and set(spans[1]) == set(spans[2])
