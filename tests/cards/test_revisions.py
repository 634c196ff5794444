"""A hub revision that a shipped card pins has a source that the card names."""

from __future__ import annotations

from vlmbench.catalogue import model_cards, task_cards


def test_a_pinned_revision_names_its_source() -> None:
    pinned = [card for card in task_cards() if any(spec.revision for spec in card.sources)]
    assert len(pinned) == 9
    for card in pinned:
        assert "revision on the hub is one that mteb has pinned" in card.notes, card.name


def test_a_hub_source_without_revision_says_so() -> None:
    """Else a reader of the card cannot tell whether a pin was forgotten."""
    for card in task_cards():
        if any(spec.kind == "hub" and not spec.revision for spec in card.sources):
            assert "revision on the hub is not pinned" in card.notes, card.name


def test_model_cards_pin_nothing() -> None:
    assert [card.name for card in model_cards() if "revision" in card.options] == []
