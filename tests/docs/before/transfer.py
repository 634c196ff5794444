"""What the reader has: rendered scenes of a few classes, in a folder to learn from and one to score.

Some of the scored scenes are in another folder too, with class names of other spellings.
"""

from collections import Counter
from pathlib import Path

from vlmbench.demo.sets import scenes

CLASSES, LEARNT, SCORED = 6, 4, 3


def prepare(folder: Path) -> None:
    rendered = scenes()
    counts: Counter[str] = Counter()
    for sample in rendered.samples:
        assert isinstance(sample.target, int)
        name = rendered.classes[sample.target]
        if (name in counts or len(counts) < CLASSES) and counts[name] < LEARNT + SCORED:
            role = "train" if counts[name] < LEARNT else "test"
            place = folder / "scenes" / role / name
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{counts[name]}.png").write_bytes(sample.image)
            if role == "test" and name.startswith("orange"):
                elsewhere = folder / "elsewhere" / name.title().replace(" ", "_")
                elsewhere.mkdir(parents=True, exist_ok=True)
                (elsewhere / f"{counts[name]}.png").write_bytes(sample.image)
            counts[name] += 1
