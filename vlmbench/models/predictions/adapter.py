"""Makes a model of a folder of answers that another program wrote, one file or folder a task.

Runs of ``-m predictions:DIR`` call it. The tasks read the files, see :mod:`vlmbench.tasks.given`. A card beside the
answers, ``DIR/card.yaml``, names the system; :func:`vlmbench.card_files.read_model_beside` reads it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

import torch

from vlmbench.card_files import CARD_BESIDE
from vlmbench.cards import ModelCard
from vlmbench.errors import ModelError
from vlmbench.files import regular_sha256
from vlmbench.models.base import LoadOptions, ModelIdentity
from vlmbench.models.options import Kinds, check_options
from vlmbench.paths import safe_name, user_path
from vlmbench.registry import did_you_mean

OPTIONS: Mapping[str, Kinds] = {
    "missing": (str,),
    "scores": (str,),
    "logit_scale": (float, int),
    "category_ids": (str,),
    "first_value": (int,),
}
MISSING = ("refuse", "left-out")
SCORES = ("logits", "probabilities", "similarities")
CATEGORY_IDS = ("data", "from-0", "from-1")
_BOXES, _OUTLINES = ".bbox.json", ".segm.json"
"""mmdetection writes two files of the same detections: one with boxes, and one with masks too."""
ELSEWHERE = "not known: the answers were made elsewhere"


def load(card: ModelCard, options: LoadOptions) -> GivenModel:
    """The system whose answers are in a folder. No file of answers is read yet.

    Options of the card:

    - ``missing``: what happens to samples without an answer. ``refuse`` (the default) fails the pair; ``left-out``
      scores the other samples.
    - ``scores``: what scores of classes are, ``probabilities``, ``logits`` or ``similarities``.
    - ``logit_scale``: the factor of the scores before a softmax; 1 for logits by default.
    - ``category_ids``: what numbers in ``category_id`` of detections are: ``data``: the data's own ids; ``from-0`` and
      ``from-1``: places in the order of the classes. Without it, they are the data's ids, and are refused if they seem
      to be something else.
    - ``first_value``: the value of the first class in masks; 0 by default.

    Raises:
        ModelError: there is no such folder, it has no answers, or an option is wrong.
    """
    check_options(card, OPTIONS)
    for name, allowed in (("missing", MISSING), ("scores", SCORES), ("category_ids", CATEGORY_IDS)):
        value = card.options.get(name, allowed[0])
        if value not in allowed:
            raise ModelError(
                f"model {card.name!r}: option {name!r} is {value!r}", hint=did_you_mean(value, allowed) or None
            )
    if (first := card.options.get("first_value", 0)) < 0:
        raise ModelError(f"model {card.name!r}: option 'first_value' is {first}, but must be 0 or above")
    scale = card.options.get("logit_scale")
    if scale is not None and not 0 < scale < float("inf"):
        raise ModelError(f"model {card.name!r}: option 'logit_scale' is {scale}, but must be a number above 0")
    if scale is not None and card.options.get("scores") == "probabilities":
        raise ModelError(
            f"model {card.name!r}: probabilities have no 'logit_scale'", hint="Remove it, or write `scores: logits`."
        )
    folder = user_path(card.spec)
    if not card.spec or not folder.is_dir():
        what = "is a file" if folder.is_file() else "does not exist"
        raise ModelError(
            f"the folder of answers {card.spec!r} {what}" if card.spec else "predictions: names no folder",
            hint="Name the folder that holds one file a task: -m predictions:DIR.",
        )
    model = GivenModel(card, folder)
    if not model.names():
        raise ModelError(
            f"the folder {str(folder)!r} holds no answers",
            hint="It must hold one file for each task, named after the task, such as cifar10.csv.",
        )
    return model


class GivenModel:
    """A named system with its answers. It encodes nothing.

    Its identity is that of the named system, so that its answers to several tasks make one row. The hash of a task's
    file is in the record of that task.
    """

    def __init__(self, card: ModelCard, folder: Path) -> None:
        self.card = card
        self.folder = folder
        self.device = torch.device("cpu")
        self.capabilities: Mapping[str, object] = {"Answers": self}
        self.identity = ModelIdentity(
            weights_sha256=sha256(f"answers of {card.name}".encode()).hexdigest(),
            parameters=card.parameters or 0,
            architecture=ELSEWHERE,
            preprocess=ELSEWHERE,
            tokenizer=ELSEWHERE,
            libraries={},
        )
        self._hashes: dict[tuple[object, ...], str] = {}

    def path(self, task: str, suffixes: Sequence[str]) -> Path | None:
        """The file or folder of the answers to a task."""
        found = [path for suffix in suffixes if (path := self.folder / f"{safe_name(task)}{suffix}").exists()]
        names = {path.name for path in found}
        found = [path for path in found if path.name.replace(_OUTLINES, _BOXES) not in names - {path.name}]
        if len(found) > 1:
            raise ModelError(
                f"{self.card.name} has two sets of answers to {task}: {found[0].name} and {found[1].name} in "
                f"{str(self.folder)!r}",
                hint="Keep one of them.",
            )
        return found[0] if found else None

    def names(self) -> Sequence[str]:
        """The names of all files and folders of answers."""
        return sorted(
            path.name
            for path in self.folder.iterdir()
            if path.name != CARD_BESIDE and not path.name.startswith((".", "_"))
        )

    def sha256(self, path: Path) -> str:
        """The hash of a file or folder. It is computed again if the size or time of a file has changed."""
        try:
            files = sorted(file for file in path.rglob("*") if not file.is_dir()) if path.is_dir() else [path]
            states = [(file.relative_to(path).as_posix(), file.stat()) for file in files]
            key = (path, *((name, found.st_size, found.st_mtime_ns) for name, found in states))
            if key not in self._hashes:
                whole = path.is_dir()
                lines = [f"{regular_sha256(file)} {name}\n" for file, (name, _) in zip(files, states, strict=True)]
                self._hashes[key] = sha256("".join(lines).encode()).hexdigest() if whole else lines[0].split()[0]
        except OSError as error:
            raise ModelError(f"{error.filename or path}: cannot be read: {error.strerror or error}") from error
        return self._hashes[key]
