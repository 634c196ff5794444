"""The card of RareAct says what the survey's Table 2 says."""

from __future__ import annotations

from cards.protocols import Reference

from vlmbench.catalogue import find_tasks


def test_rareact_is_its_row_of_table_2(reference: Reference) -> None:
    (card,) = find_tasks("rareact-frames")
    (row,) = [row for row in reference.rows("survey/survey_table2_eval_datasets.csv") if "RareAct" in row.values()]
    assert f"{card.samples:,}" in row.values() and "122" in row.values() and "counts 122;" in card.notes
    assert "mWAP, mSAP" in row.values() and card.metrics == ["mwap", "msap"]
    assert card.classes is None and card.templates == ["{}"]
    assert card.plugin == "rare_actions" and {spec.kind for spec in card.sources} == {"rareact"}
