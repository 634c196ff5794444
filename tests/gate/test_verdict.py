"""Verdicts by hand, Holm over tasks, and what the gate does in the long run."""

from __future__ import annotations

import numpy as np
import pytest

from vlmbench.gate.outcome import Check, TaskComparison
from vlmbench.gate.verdict import Contest, judge_all, overall
from vlmbench.metrics.difference import Difference, mcnemar_difference


def answers(n: int, gained: int, lost: int, *, right: int | None = None, identical: bool = False) -> Difference:
    """A share of right answers where so many turned."""
    right = n // 2 if right is None else right
    before = np.arange(n) < right
    after = before.copy()
    after[:lost] = False
    after[right : right + gained] = True
    return mcnemar_difference(before, after, identical=identical)


def contest(
    difference: Difference,
    *,
    tolerance: float = 0,
    margin: float = 0.01,
    significance: float = 0.05,
    higher_is_better: bool = True,
) -> Contest:
    return Contest(difference, higher_is_better, tolerance, max(margin, tolerance), significance)


def verdict(found: Contest) -> str:
    return judge_all([found])[0][0]


def test_verdicts_worked_by_hand() -> None:
    # 12 of 12 turns for the worse: p = 2 * 2^-12 = 0.00049.
    assert verdict(contest(answers(1000, 0, 12))) == "regressed"
    assert verdict(contest(answers(1000, 12, 0))) == "improved"
    # 5 of 5: p = 2 * 2^-5 = 0.0625, and a loss of 0.5 points with an interval that reaches below -1.
    assert verdict(contest(answers(1000, 0, 5))) == "inconclusive"
    # 6 of 6: p = 0.03125.
    assert verdict(contest(answers(1000, 0, 6))) == "regressed"
    # As many turns both ways among many samples: less than a point either way.
    assert verdict(contest(answers(100_000, 200, 200))) == "unchanged"
    # The same among few.
    assert verdict(contest(answers(1000, 20, 20))) == "inconclusive"


def test_a_loss_within_the_tolerance_is_accepted_and_one_beyond_is_not() -> None:
    loss = answers(10_000, 0, 100)  # exactly one point
    assert verdict(contest(loss)) == "regressed"
    assert verdict(contest(loss, tolerance=0.02)) == "unchanged"
    assert verdict(contest(loss, tolerance=0.005)) == "regressed"
    assert verdict(contest(loss, tolerance=0.01, margin=0.02)) == "unchanged"


def test_the_margin_decides_between_unchanged_and_inconclusive() -> None:
    noisy = answers(1000, 20, 20)  # 0 +- 1.2 points
    assert verdict(contest(noisy, margin=0.01)) == "inconclusive"
    assert verdict(contest(noisy, margin=0.02)) == "unchanged"


def test_identical_answers_are_unchanged_whatever_the_data() -> None:
    (found, gain), *_ = judge_all([contest(answers(5, 0, 0, identical=True))])
    assert found == "unchanged" and gain.p_value == gain.p_worse == gain.p_better == 1 and gain.ci95 == (0, 0)
    assert verdict(contest(answers(5, 0, 0))) == "inconclusive", "five answers alike exclude nothing"


def test_metrics_of_which_less_is_better_are_turned_around() -> None:
    (found, gain), *_ = judge_all([contest(answers(1000, 12, 0), higher_is_better=False)])
    assert found == "regressed" and gain.value == pytest.approx(-0.012) and (gain.gained, gain.lost) == (0, 12)
    assert gain.ci95 is not None and gain.ci95[0] < gain.value < gain.ci95[1] < 0
    assert verdict(contest(answers(1000, 0, 12), higher_is_better=False)) == "improved"
    assert verdict(contest(answers(1000, 12, 0), higher_is_better=False, tolerance=0.03)) == "unchanged"
    assert verdict(contest(answers(1000, 12, 0), higher_is_better=False, tolerance=0.01)) == "inconclusive"


def test_holm_asks_more_of_a_task_the_more_tasks_there_are() -> None:
    alone = contest(answers(1000, 0, 6))  # p = 0.031
    assert verdict(alone) == "regressed"
    calm = contest(answers(100_000, 200, 200))
    found = judge_all([alone, calm])
    assert [name for name, _ in found] == ["inconclusive", "unchanged"]
    assert found[0][1].p_worse == pytest.approx(2 * 0.03125) and found[0][1].p_value == pytest.approx(0.03125)
    # Three telling tasks share what is left: 0.0005 * 3, then 0.0005 * 2.
    three = judge_all([contest(answers(1000, 0, 12)), contest(answers(1000, 0, 12)), calm])
    assert [name for name, _ in three] == ["regressed", "regressed", "unchanged"]


def test_a_task_may_have_a_significance_of_its_own() -> None:
    loss = answers(1000, 0, 6)
    assert verdict(contest(loss, significance=0.01)) == "inconclusive"
    assert verdict(contest(loss, significance=0.1)) == "regressed"


def test_too_little_data_says_how_much_would_do() -> None:
    (found, gain), *_ = judge_all([contest(answers(1000, 20, 20))])
    assert found == "inconclusive" and gain.detectable is not None and gain.samples_needed is not None
    # sd of the difference 0.2 a sample: (1.96 + 0.84)^2 * 0.04 / 0.01^2 = 3,136 samples.
    assert gain.samples_needed == 3200
    assert gain.detectable == pytest.approx(2.8 * 0.2 / 1000**0.5, rel=0.01)
    (_, few), *_ = judge_all([contest(answers(10, 0, 0))])
    assert few.samples_needed is not None and 500 < few.samples_needed < 1500
    assert judge_all([contest(answers(100_000, 200, 200))])[0][1].samples_needed is None


def test_the_loss_that_shows_is_beyond_the_tolerance_and_beside_the_other_tasks() -> None:
    noisy = answers(1000, 20, 20)
    for tolerance, tasks in ((0.0, 1), (0.02, 1), (0.02, 4)):
        gain = judge_all([contest(noisy, tolerance=tolerance)] * tasks)[0][1]
        assert gain.detectable == pytest.approx(tolerance + noisy.detectable(0.05 / tasks))


def test_so_many_samples_do_settle_it_four_times_out_of_five() -> None:
    """Beside four other tasks, of a loss that is there (which Holm makes harder to show) and of one that is not."""
    rng = np.random.default_rng(4)
    calm = [contest(answers(100_000, 200, 200))] * 4
    for n, gained, lost in ((200, 4, 11), (1000, 20, 20)):
        needed = judge_all([contest(answers(n, gained, lost)), *calm])[0][1].samples_needed
        assert needed is not None
        tables = rng.multinomial(needed, [gained / n, lost / n, 1 - (gained + lost) / n], size=200)[:, :2]
        found = [judge_all([contest(answers(needed, *turned)), *calm])[0][0] for turned in tables.tolist()]
        assert found.count("inconclusive") <= 60, f"{needed} samples settle it too seldom"


def task(name: str, **fields: object) -> TaskComparison:
    return TaskComparison.model_validate(
        {"task": name, "baseline_model": "m", "candidate_model": "m", "verdict": "unchanged", **fields}
    )


def test_the_worst_task_decides_and_the_exit_code_says_so() -> None:
    fine, better = task("a"), task("b", verdict="improved")
    worse, unlike = task("c", verdict="regressed"), task("d", verdict="not comparable")
    unsure = task("e", verdict="inconclusive")
    tolerated = unsure.model_copy(update={"tolerated": True})
    slow = task("f", checks=[Check(demand="min_speed_ratio", met=False, message="slow")])
    unknown = task("g", checks=[Check(demand="min_speed_ratio", met=None, message="cached")])
    assert overall([fine, better]) == ("passed", 0)
    assert overall([fine, unsure]) == ("inconclusive", 1)
    assert overall([fine, tolerated]) == ("inconclusive", 0)
    assert overall([tolerated, unsure]) == ("inconclusive", 1)
    assert overall([fine, unlike, unsure]) == ("not comparable", 3)
    assert overall([slow, unlike]) == ("failed", 1)
    assert overall([worse, unlike, slow]) == ("regressed", 1)
    assert overall([fine, unknown]) == ("inconclusive", 1)


def simulated(rng: np.random.Generator, n: int, flips: float, drop: float = 0.0) -> Difference:
    """Answers of which a share turns either way alike, and the drop on top."""
    before = rng.random(n) < 0.7
    turned = rng.random(n) < np.where(before, flips / 1.4, flips / 0.6)  # as many right ones as wrong ones
    after = before ^ turned
    after &= ~(rng.random(n) < drop / 0.7)
    return mcnemar_difference(before, after)


def test_without_a_true_difference_the_gate_seldom_fails() -> None:
    rng = np.random.default_rng(0)
    runs = 500
    regressed = changed = 0
    for _ in range(runs):
        found = {name for name, _ in judge_all([contest(simulated(rng, 2000, 0.1)) for _ in range(5)])}
        regressed += "regressed" in found
        changed += bool(found & {"regressed", "improved"})
    # Half of 5 % and 5 % are stated; two standard errors of 500 runs are 1.4 and 2 points.
    assert regressed / runs <= 0.025 + 0.014
    assert changed / runs <= 0.05 + 0.02
    assert changed > 0, "a gate that never errs tests nothing"


def test_a_drop_of_two_points_on_ten_thousand_samples_is_caught() -> None:
    rng = np.random.default_rng(1)
    calm = [contest(simulated(rng, 10_000, 0.1)) for _ in range(4)]
    found = [judge_all([contest(simulated(rng, 10_000, 0.1, drop=0.02)), *calm])[0][0] for _ in range(100)]
    assert found.count("regressed") >= 98


def test_a_fault_too_small_for_the_data_never_passes_as_fine() -> None:
    rng = np.random.default_rng(2)
    found = [verdict(contest(simulated(rng, 300, 0.1, drop=0.02))) for _ in range(100)]
    assert "unchanged" not in found and found.count("inconclusive") > 50
