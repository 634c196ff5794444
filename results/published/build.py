"""Write the tidy files of published numbers, and model cards, from the reference tables.

    VLMBENCH_REFERENCE=../shared/reference python results/published/build.py

The files go beside this script and into the folders of ``model_cards/`` that hold generated cards. Cards at its top
are written by hand.
"""

from __future__ import annotations

import os
from pathlib import Path

from build_tables.clip_paper import clip_paper
from build_tables.dense import detection, segmentation
from build_tables.flags import flagged
from build_tables.method_cards import method_cards
from build_tables.open_clip_cards import open_clip_cards
from build_tables.rows import card_yaml, facts_csv, numbers_csv
from build_tables.survey_facts import datasets, methods
from build_tables.survey_results import survey_results
from build_tables.transformers_cards import transformers_cards
from build_tables.zoos import clip_benchmark, disagreements_flagged, open_clip

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]


def files(reference: Path) -> dict[str, str]:
    """Names to contents of every file, from the folder of reference tables."""
    ours, theirs = open_clip(reference), clip_benchmark(reference)
    tables = {
        **survey_results(reference),
        "open_clip": disagreements_flagged(ours, theirs),
        "clip_benchmark": disagreements_flagged(theirs, ours),
        "clip-paper": clip_paper(reference),
        "seg": segmentation(reference),
        "det": detection(reference),
    }
    facts = {"survey_methods": methods(reference), "survey_datasets": datasets(reference)}
    return {
        **{f"{name}.csv": numbers_csv(flagged(numbers)) for name, numbers in tables.items()},
        **{f"{name}.csv": facts_csv(rows) for name, rows in facts.items()},
    }


def cards(reference: Path) -> dict[str, str]:
    """Paths under ``model_cards/`` to contents of every generated card."""
    made = {
        "open_clip": open_clip_cards(reference),
        "survey": method_cards(reference),
        "transformers": transformers_cards(),
    }
    return {f"{folder}/{card['name']}.yaml": card_yaml(card) for folder, of_it in made.items() for card in of_it}


def reference_folder() -> Path:
    """``VLMBENCH_REFERENCE``, or the folder beside the checkout."""
    default = REPOSITORY.parent / "shared" / "reference"
    return Path(os.environ.get("VLMBENCH_REFERENCE", default))


def main() -> None:
    reference = reference_folder()
    for name, text in files(reference).items():
        (HERE / name).write_text(text, encoding="utf-8", newline="")
    for name, text in cards(reference).items():
        path = REPOSITORY / "model_cards" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")


if __name__ == "__main__":
    main()
