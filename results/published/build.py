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

from build_tables import survey_results  # noqa: E402
from build_tables.rows import numbers_csv  # noqa: E402


def files(reference: Path) -> dict[str, str]:
    """Names to contents of every file, from the folder of reference tables."""
    return {"survey-6.csv": numbers_csv(survey_results.classification(reference))}


def reference_folder() -> Path:
    """``VLMBENCH_REFERENCE``, or the folder beside the checkout."""
    default = HERE.parents[1].parent / "shared" / "reference"
    return Path(os.environ.get("VLMBENCH_REFERENCE", default))


def main(folder: Path) -> None:
    for name, text in files(reference_folder()).items():
        (folder / name).write_text(text, encoding="utf-8", newline="")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
