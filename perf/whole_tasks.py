"""Makes the tasks of ``whole_run.py``: real images and the cards' words, in a layout that both programs read."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from peer import write_shards

Images = list[tuple[Path, int]]


@dataclass(frozen=True)
class Task:
    """One evaluation.

    Attributes:
        name: its name in both programs.
        images: the images' files with their labels.
        names: class names in label order.
        templates: prompts with ``{c}`` for the class name.
    """

    name: str
    images: Images
    names: list[str]
    templates: list[str]

    @property
    def prompts(self) -> list[str]:
        """All prompts, sorted by class, then by template."""
        return [template.replace("{c}", name) for name in self.names for template in self.templates]

    @property
    def words_sha256(self) -> str:
        """The first 16 digits of a hash of class names and templates."""
        return sha256(json.dumps([self.names, self.templates]).encode()).hexdigest()[:16]

    def write(self, root: Path, *, shards: int) -> Path:
        """Write shards to ``root/<name>`` for both programs, and a card for vlmbench. Returns the card's file."""
        write_shards(root / self.name, self.images, self.names, self.templates, shards=shards)
        card = root / f"{self.name}.yaml"
        source = {"kind": "wds", "location": str(root / self.name), "split": "test"}
        card.write_text(json.dumps({"name": self.name, "sources": [source]}))  # JSON is valid YAML
        return card


def make_case(case: str, data: Path, *, images: int | None, classes: int) -> list[Task]:
    """The tasks of a case.

    Args:
        case: a name of :data:`CASES`.
        data: the folder with ``imagenet-sample/val`` and ``cifar10/test``.
        images: the number of images of each data set, spread over the classes; None: all.
        classes: the number of ImageNet's classes, from the first.
    """
    return [make(data, images, classes) for make in CASES[case]]


def _imagenet(suffix: str, templates: Callable[[list[str]], list[str]]) -> Callable[[Path, int | None, int], Task]:
    def make(data: Path, images: int | None, classes: int) -> Task:
        from vlmbench import load_task

        card = load_task("imagenet1k")
        folders = sorted((data / "imagenet-sample" / "val").iterdir())[:classes]
        found = [(path, label) for label, folder in enumerate(folders) for path in sorted(folder.iterdir())]
        names = list(card.classes or [])[:classes]
        return Task(f"imagenet-sample-{suffix}", _spread(found, images), names, templates(list(card.templates or [])))

    return make


def _cifar10(suffix: str, templates: Callable[[list[str]], list[str]]) -> Callable[[Path, int | None, int], Task]:
    def make(data: Path, images: int | None, classes: int) -> Task:
        from vlmbench import load_task

        card = load_task("cifar10")
        names = list(card.classes or [])
        folder = data / "cifar10" / "test"
        found = [(path, label) for label, name in enumerate(names) for path in sorted((folder / name).iterdir())]
        return Task(f"cifar10-{suffix}", _spread(found, images), names, templates(list(card.templates or [])))

    return make


def _spread(images: Images, wanted: int | None) -> Images:
    return images if wanted is None else images[:: max(1, len(images) // wanted)][:wanted]


def _cards(templates: list[str]) -> list[str]:
    return [template.replace("{}", "{c}") for template in templates]


def _seven(templates: list[str]) -> list[str]:
    """OpenAI's short list of seven templates. All of them are among the eighty."""
    from open_clip import SIMPLE_IMAGENET_TEMPLATES

    return [str(template("{c}")) for template in SIMPLE_IMAGENET_TEMPLATES]


def _one(templates: list[str]) -> list[str]:
    return ["a photo of a {c}."]


CASES: dict[str, tuple[Callable[[Path, int | None, int], Task], ...]] = {
    "imagenet": (_imagenet("80", _cards),),
    "cifar10": (_cifar10("18", _cards),),
    "suite": (
        _imagenet("80", _cards),
        _imagenet("7", _seven),
        _imagenet("1", _one),
        _cifar10("18", _cards),
        _cifar10("1", _one),
    ),
}
"""The tasks of each case. ``suite`` has five tasks on two sets of images, and their prompts overlap."""
