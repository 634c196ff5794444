"""A hub revision that a shipped card pins has a source that the card names."""

from __future__ import annotations

from itertools import pairwise

from vlmbench.card_files import shipped_root
from vlmbench.catalogue import model_cards, task_cards


def test_a_pinned_revision_names_its_source() -> None:
    pinned = []
    for path in (shipped_root() / "tasks").rglob("*.yaml"):
        lines = path.read_text(encoding="utf-8").splitlines()
        for before, line in pairwise(lines):
            if line.strip().startswith("revision: "):
                pinned.append(path.stem)
                assert before.strip().startswith("# mteb has pinned this revision: embeddings-benchmark/mteb"), (
                    path.stem
                )
    assert len(set(pinned)) == 9


def test_a_hub_source_without_revision_says_so() -> None:
    """Else a reader of the card cannot tell whether a pin was forgotten."""
    for card in task_cards():
        if any(spec.kind == "hub" and not spec.revision for spec in card.sources):
            assert "revision on the hub is not pinned" in card.notes, card.name


def test_model_cards_pin_nothing() -> None:
    assert [card.name for card in model_cards() if "revision" in card.options] == []
