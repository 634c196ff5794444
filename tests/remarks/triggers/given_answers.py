"""What answers that were made elsewhere say, of classes and of retrieval. Those of detections are in results_files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from data.layouts import image_bytes
from remarks.trigger import Arguments, Trigger, captions, lines, task_card

NAMES = [f"{kind}/{place}.png" for kind in ("cat", "dog") for place in range(3)]
CAPTIONS: Mapping[str, Sequence[str]] = {"a.png": ["a cat"], "b.png": ["a dog"]}
WHOLE = {"image_to_text": {"a.png": ["a cat", "a dog"], "b.png": ["a dog", "a cat"]}}


def system(top: Path) -> Arguments:
    return ("-m", f"predictions:{top / 'answers'}")


def classes(top: Path, names: Sequence[str], missing: str = "refuse") -> Arguments:
    """A class for each of these names, of six images."""
    for place, name in enumerate(NAMES):
        picture = top / "images" / name
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(image_bytes(place))
    (top / "answers").mkdir()
    lines(top / "answers" / "t.csv", "file,cat,dog", *(f"{name},0.75,0.25" for name in names))
    lines(top / "answers" / "card.yaml", f"options: {{missing: {missing}}}")
    return (*system(top), *task_card(top, "imagefolder", top / "images"))


def ranked(top: Path, texts: Mapping[str, Sequence[str]], there: Sequence[str] = tuple(CAPTIONS)) -> Arguments:
    """The images in the order of each caption; the captions of each image are all ranked."""
    (top / "answers").mkdir()
    (top / "answers" / "t.json").write_text(json.dumps({**WHOLE, "text_to_image": texts}))
    return (*system(top), *captions(top, CAPTIONS, there))


def matrix(top: Path) -> Arguments:
    (top / "answers").mkdir()
    np.savez(top / "answers" / "t.npz", image_to_text=np.eye(2))
    return (*system(top), *captions(top, CAPTIONS, [*CAPTIONS]))


TRIGGERS = {
    "answers-given": Trigger(
        lambda top, _: classes(top, NAMES),
        "the answers were made elsewhere and read from t.csv",
        "answers made elsewhere",
    ),
    "answers-unmatched": Trigger(
        lambda top, _: classes(top, [*NAMES, "cat/9.png"]),
        "1 name in {top}/answers/t.csv is of no sample of the data: cat/9.png",
        "1 answer of no sample",
    ),
    "answers-missing": Trigger(
        lambda top, _: classes(top, NAMES[:-1], missing="left-out"),
        "1 of 6 samples has no answer in {top}/answers/t.csv and was left out, so that the number is not comparable "
        "with numbers of all samples: dog/2.png",
        "1 sample without answer left out",
    ),
    "answers-in-order": Trigger(
        lambda top, _: matrix(top),
        "{top}/answers/t.npz does not name its images and captions, which were taken in the order of the data",
        "answers in the order of the data",
    ),
    "pairs-unscored": Trigger(
        lambda top, _: ranked(top, {"a cat": ["a.png"], "a dog": ["b.png", "a.png"]}),
        "1 of 4 pairs have no score in {top}/answers/t.json, when it ranks *, and rank behind all others",
        "pairs without a score",
    ),
    "images-absent": Trigger(
        lambda top, _: ranked(top, {"a cat": ["a.png", "b.png"], "a dog": ["b.png", "a.png"]}, there=()),
        "none of the 2 images is on this machine, so the fingerprint of the data covers ids and labels only",
        "images absent",
        2,
    ),
}
