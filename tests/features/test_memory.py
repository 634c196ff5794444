from __future__ import annotations

from vlmbench.features.memory import FeatureMemory


def test_the_value_that_was_not_asked_for_the_longest_is_forgotten() -> None:
    memory = FeatureMemory(most=10)
    memory.put("a", "A", 4)
    memory.put("b", "B", 4)
    assert memory.get("a") == "A"
    memory.put("c", "C", 4)
    assert [memory.get(key) for key in "abc"] == ["A", None, "C"]


def test_one_value_is_kept_even_if_it_is_too_large() -> None:
    memory = FeatureMemory(most=10)
    memory.put("a", "A", 4)
    memory.put("b", "B", 40)
    assert [memory.get(key) for key in "ab"] == [None, "B"]


def test_a_value_that_is_put_again_counts_once() -> None:
    memory = FeatureMemory(most=10)
    memory.put("a", "A", 8)
    memory.put("a", "A", 8)
    memory.put("b", "B", 2)
    assert [memory.get(key) for key in "ab"] == ["A", "B"]
    memory.clear()
    assert memory.get("a") is None
