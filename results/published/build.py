"""Write the tidy files of published numbers from the reference tables.

    VLMBENCH_REFERENCE=../shared/reference python results/published/build.py [FOLDER]

Without FOLDER they are written beside this script.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from build_tables.clip_paper import clip_paper  # noqa: E402
from build_tables.dense import detection, segmentation  # noqa: E402
from build_tables.flags import flagged  # noqa: E402
from build_tables.rows import facts_csv, numbers_csv  # noqa: E402
from build_tables.survey_facts import datasets, methods  # noqa: E402
from build_tables.survey_results import survey_results  # noqa: E402
from build_tables.zoos import clip_benchmark, disagreements_flagged, open_clip  # noqa: E402


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


def reference_folder() -> Path:
    """``VLMBENCH_REFERENCE``, or the folder beside the checkout."""
    default = HERE.parents[1].parent / "shared" / "reference"
    return Path(os.environ.get("VLMBENCH_REFERENCE", default))


def main(folder: Path) -> None:
    for name, text in files(reference_folder()).items():
        (folder / name).write_text(text, encoding="utf-8", newline="")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
