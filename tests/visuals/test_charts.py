"""Charts: what is drawn, for how many classes, and that nothing of matplotlib's global state is touched."""

from __future__ import annotations

import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from visuals.inputs import HOSTILE, near, opened

from vlmbench.errors import MissingDependencyError
from vlmbench.visuals.charts import check_charts, confused_pairs, confusion_matrix, per_class_bars

BLUE, ORANGE, GREY, DARKEST = (0, 114, 178), (213, 94, 0), (173, 181, 189), (8, 48, 107)


def names(count: int) -> list[str]:
    return [f"class {index}" for index in range(count)]


def test_cells_are_shares_of_their_row() -> None:
    right = near(opened(confusion_matrix(np.diag([1, 50]), names(2))), DARKEST, 0)
    wrong = near(opened(confusion_matrix(np.array([[0, 1], [50, 0]]), names(2))), DARKEST, 0)
    half = near(opened(confusion_matrix(np.array([[1, 1], [0, 7]]), names(2))), DARKEST, 0)
    assert right == pytest.approx(wrong, rel=0.02) and half == pytest.approx(right / 2, rel=0.05) and right > 10_000


def test_rows_without_samples_are_grey() -> None:
    full, empty = np.diag([5, 5, 5]), np.diag([5, 0, 5])
    assert near(opened(confusion_matrix(full, names(3))), GREY, 0) == 0
    assert near(opened(confusion_matrix(empty, names(3))), GREY, 0) > 3000


def test_of_many_classes_the_most_confused_pairs_are_listed() -> None:
    counts = np.eye(41, dtype=int)
    counts[3, 4] = 9
    image = opened(confusion_matrix(counts, names(41)))
    assert near(image, ORANGE, 0) > 3000 and near(image, DARKEST, 0) == 0
    pair = confused_pairs(np.array([3, 5]), np.array([4, 5]), np.array([9, 1]), names(41))
    assert near(opened(pair), ORANGE, 0) == near(image, ORANGE, 0)
    nothing = opened(confusion_matrix(np.eye(41, dtype=int), names(41)))
    assert near(nothing, ORANGE, 0) == 0


def test_a_bar_is_as_long_as_its_value() -> None:
    whole, half, none = (near(opened(per_class_bars(["a"], [value], [None])), BLUE, 0) for value in (1.0, 0.5, 0.0))
    assert half == pytest.approx(whole / 2, rel=0.05) and none == 0
    assert near(opened(per_class_bars(["a"], [0.5], [None], 0.1)), ORANGE, 0) > 10


def test_classes_without_a_value_have_no_bar() -> None:
    image = opened(per_class_bars(["a", "b", "c"], [None, float("nan"), 1.0], [None, None, (0.5, 1.0)]))
    alone = opened(per_class_bars(["c"], [1.0], [(0.5, 1.0)]))
    assert near(image, BLUE, 0) == pytest.approx(near(alone, BLUE, 0), rel=0.05)


@pytest.mark.parametrize("classes", [1, 2, 12, 40, 41, 1000])
def test_any_number_of_hostile_names_without_a_warning(classes: int) -> None:
    hostile = [HOSTILE[index % len(HOSTILE)] for index in range(classes)]
    counts = np.random.default_rng(0).integers(0, 3, (classes, classes)) * 10**7
    values = np.linspace(0, 1, classes).tolist()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of glyphs it lacks and of layouts that do not fit
        matrices = [confusion_matrix(counts, hostile, title=HOSTILE[7]) for _ in range(2)]
        bars = per_class_bars(hostile, values, [(0.0, 1.0)] * classes, 0.5, title=HOSTILE[0], measure=HOSTILE[1])
    opened(matrices[0])
    opened(bars)
    assert matrices[0] == matrices[1]


def test_nothing_at_all_can_be_drawn() -> None:
    opened(per_class_bars([], [], []))
    opened(confusion_matrix(np.zeros((2, 2), dtype=int), names(2)))
    opened(confusion_matrix(np.zeros((50, 50), dtype=int), names(50)))


def test_threads_draw_what_one_draws() -> None:
    counts = np.arange(25).reshape(5, 5)
    alone = confusion_matrix(counts, names(5))
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: confusion_matrix(counts, names(5)), range(8))) == {alone}


def test_pyplot_is_never_loaded() -> None:
    code = (
        "import sys, numpy; from vlmbench.visuals.charts import *"
        "; confusion_matrix(numpy.eye(2, dtype=int), ['a', 'b'])"
        "; per_class_bars(['a'], [0.5], [None]); assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_matplotlib_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependencyError) as caught:
        check_charts()
    assert caught.value.hint == "pip install 'vlmbench[visuals]'"


def test_what_does_not_fit_together_is_refused() -> None:
    with pytest.raises(ValueError, match="2 classes"):
        confusion_matrix(np.eye(3, dtype=int), names(2))
    with pytest.raises(ValueError, match="1 values"):
        per_class_bars(names(2), [0.5], [None])
