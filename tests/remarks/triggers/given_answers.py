"""What makes remarks of answers that were made elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from remarks.trigger import Arguments, Trigger, captions, images, task_card

CSV = "file,prediction\n" + "".join(f"{name}/{i}.png,{name}\n" for name in ("cat", "dog") for i in range(3))
OWN = {"a.png": ["a cat"], "b.png": ["a dog"]}


def labels(top: Path, text: str, **options: str) -> Arguments:
    """Answers to three images each of two classes."""
    images(top)
    answers = top / "answers"
    answers.mkdir()
    (answers / "t.csv").write_text(text)
    (answers / "card.yaml").write_text(json.dumps({"name": "system", "options": options}))
    return ("-m", f"predictions:{answers}", *task_card(top, "imagefolder", top / "images"))


def pairs(top: Path, *, there: tuple[str, ...] = ("a.png", "b.png"), lists: bool = False) -> Arguments:
    """Answers to two images of one caption each."""
    task = captions(top, OWN, there)
    (top / "answers").mkdir()
    if lists:
        both = {"image_to_text": OWN, "text_to_image": {"a cat": ["a.png", "b.png"], "a dog": ["b.png", "a.png"]}}
        (top / "answers" / "t.json").write_text(json.dumps(both))
    else:
        np.save(top / "answers" / "t.npy", np.eye(2))
    return ("-m", f"predictions:{top / 'answers'}", *task)


TRIGGERS = {
    "answers-given": Trigger(
        lambda top, _: labels(top, CSV),
        "the answers were made elsewhere and read from t.csv",
        "answers made elsewhere",
    ),
    "answers-unmatched": Trigger(
        lambda top, _: labels(top, CSV + "cow/1.png,cat\ncow/2.png,dog\n"),
        "2 names in {top}/answers/t.csv are of no sample of the data: cow/1.png, cow/2.png",
        "2 answers of no sample",
        2,
    ),
    "answers-missing": Trigger(
        lambda top, _: labels(top, CSV.replace("dog/2.png,dog\n", ""), missing="left-out"),
        "1 of 6 samples has no answer in {top}/answers/t.csv and was left out, so that the number is not comparable "
        "with numbers of all samples: dog/2.png",
        "1 sample without answer left out",
    ),
    "answers-in-order": Trigger(
        lambda top, _: pairs(top),
        "{top}/answers/t.npy does not name its images and captions, which were taken in the order of the data",
        "answers in the order of the data",
    ),
    "pairs-unscored": Trigger(
        lambda top, _: pairs(top, lists=True),
        "2 of 4 pairs have no score in {top}/answers/t.json, when it ranks captions for images, and rank behind all "
        "others",
        "pairs without a score",
        2,
    ),
    "images-absent": Trigger(
        lambda top, _: pairs(top, there=()),
        "none of the 2 images is on this machine, so the fingerprint of the data covers ids and labels only",
        "images absent",
        2,
    ),
}
