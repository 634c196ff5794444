"""What makes remarks of what was asked, of data, prompts and metrics, and of the machine."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest
import toy_adapter
from command_line import command
from data.hub_layouts import empty_caches, opened, tree
from data.hub_server import running_hub
from data.layouts import image_bytes, write_folder, write_wds
from remarks.trigger import TOY, Arguments, Trigger, boxes, captions, images, lines, masks, model_card, task_card

from vlmbench.cards import ModelCard
from vlmbench.errors import VlmbenchWarning
from vlmbench.features.cache.files import features_folder
from vlmbench.models import ADAPTERS
from vlmbench.models.base import LoadOptions
from vlmbench.registry import Registry
from vlmbench.transfer import METHODS
from vlmbench.transfer.methods.zero_shot import ZeroShot

ALL = {"a": 0, "b": 1, "c": 2}
"""Masks in which every class is."""


def val_absent(top: Path, _: pytest.MonkeyPatch) -> Arguments:
    test = Path(images(top)[1].partition(":")[2])
    pictures = {
        f"{name}/{i}.png": image_bytes(10 * i + j) for j, name in enumerate(("cat", "dog")) for i in range(2, 6)
    }
    train = {"kind": "imagefolder", "location": str(write_folder(top / "train", pictures))}
    roles = {"train": [train], "val": [{**train, "location": str(top / "gone")}]}
    track = ("--transfer", "nearest-mean", "--shots", "1", "--seeds", "1", "--track", "few-shot-validation")
    return (*TOY, *task_card(top, "imagefolder", test, **roles), *track)


def registered_for(patch: pytest.MonkeyPatch, registry: Registry[object], name: str, entry: object) -> None:
    """Register another package's entry until the patch is undone."""
    patch.setattr(registry, "_entries", dict(registry._entries))
    patch.setattr(registry, "_origin", dict(registry._origin))
    registry.register(name, entry, origin="another package")


class Mine(ZeroShot):
    name = "mine"


def transfer(top: Path, patch: pytest.MonkeyPatch) -> Arguments:
    registered_for(patch, METHODS, Mine.name, Mine())
    return (*TOY, *images(top), "--transfer", Mine.name)


def bad_sample(top: Path, _: pytest.MonkeyPatch) -> Arguments:
    arguments = images(top)
    (top / "images" / "cat" / "0.png").write_bytes(b"no picture")
    return (*TOY, *arguments, "--skip-bad")


def hub_out_of_reach(top: Path, patch: pytest.MonkeyPatch) -> Arguments:
    empty_caches(patch, top / "cache")
    with running_hub() as hub:
        patch.setenv("HF_ENDPOINT", hub.url)
        hub.repo("org/set").commit(tree(write_wds(top / "set", [2, 0, 1])))
        opened("org/set")
    hub.gone = True  # for connections that are open still
    return (*TOY, "-t", "hub:org/set")


def proposals(top: Path, *entries: object, **protocol: object) -> Arguments:
    (top / "proposals.json").write_text(json.dumps(entries))
    return boxes(top, protocol={"regions": "proposals", "proposals": str(top / "proposals.json"), **protocol})


def other_evaluator(top: Path, _: pytest.MonkeyPatch) -> Arguments:
    pytest.importorskip("faster_coco_eval", reason="the detection extra is not installed")
    return boxes(top, protocol={"evaluator": "faster-coco-eval"})


def broken_cache(top: Path, patch: pytest.MonkeyPatch) -> Arguments:
    """A run fills the cache; then one of its files is overwritten."""
    patch.setenv("VLMBENCH_CACHE", str(top / "cache"))
    arguments = (*TOY, *images(top), "--device", "cpu")
    command("run", *arguments, "--results", top / "first", code=0)
    space = next(features_folder().glob("*.sqlite"))
    space.write_bytes(b"Z" * space.stat().st_size)
    return arguments


def outside_adapter(top: Path, patch: pytest.MonkeyPatch) -> Arguments:
    def load(card: ModelCard, options: LoadOptions) -> toy_adapter.ToyModel:
        warnings.warn("the temperature was not stated, and 1 was taken", VlmbenchWarning, stacklevel=1)
        return toy_adapter.load(card, options)

    registered_for(patch, ADAPTERS, "outside", load)
    return ("-m", "outside:a", *images(top))


CAPTIONS = {"a.png": ["a cat", "the cat"], "b.png": ["a dog"], "c.png": ["a bird"]}

TRIGGERS = {
    "subset": Trigger(
        lambda top, _: (*TOY, *images(top), "--limit", 4),
        "a subset of 4 of 6 samples was scored, drawn at random",
        "4 of 6 samples",
        4,
    ),
    "seed": Trigger(
        lambda top, _: (*TOY, *images(top), "--limit", 4, "--seed", 3), "the subset was drawn with seed 3", "seed 3"
    ),
    "precision": Trigger(lambda top, _: (*TOY, *images(top), "--precision", "bf16"), "the model ran in bf16", "bf16"),
    "setting": Trigger(
        lambda top, _: (*TOY, *captions(top, CAPTIONS, [*CAPTIONS]), "--set", "template=a {}"),
        "template was set to a {}",
        "template=a {}",
    ),
    "readout": Trigger(lambda top, _: masks(top, ALL), "patches were read out with plain", "readout plain"),
    "transfer": Trigger(transfer, "the model was adapted with mine", "transfer mine"),
    "val-absent": Trigger(
        val_absent, "the val data that the card of 't' names is in none of its places", "no val data"
    ),
    "own-class-names": Trigger(
        lambda top, _: (*TOY, *images(top), "--classnames", lines(top / "names.txt", "dog", "cat")),
        "the user gave the class names",
        "own class names",
    ),
    "own-templates": Trigger(
        lambda top, _: (*TOY, *images(top), "--templates", lines(top / "templates.txt", "a {}", "the {}")),
        "the user gave the templates",
        "own templates",
    ),
    "other-size": Trigger(
        lambda top, _: (*TOY, *task_card(top, "imagefolder", Path(images(top)[1].partition(":")[2]), samples=1200)),
        "the standard split of t has 1,200 samples and this data has 6, so that the number is not comparable with "
        "published ones",
        "6 samples instead of 1,200",
        6,
    ),
    "bad-samples": Trigger(
        bad_sample,
        "1 sample was left out, because it could not be used: cat/0.png (not an image that Pillow can read: looks like "
        "text)",
        "1 bad left out",
    ),
    "missing-images": Trigger(
        lambda top, _: (*TOY, *captions(top, CAPTIONS, ["a.png", "b.png"]), "--skip-bad"),
        "1 of the 3 images that {top}/set/captions.json lists is not in {top}/set/images; this stops the pair "
        "unless --skip-bad leaves it out: c.png",
        "1 image missing",
    ),
    "empty-captions": Trigger(
        lambda top, _: (
            *TOY,
            *captions(top, {**CAPTIONS, "a.png": ["a cat", " "], "d.png": [], "e.png": []}, [*CAPTIONS]),
        ),
        "1 caption without words and 2 images without captions in {top}/set/captions.json were left out: d.png, e.png",
        "1 caption without words and 2 images without captions left out",
        2,
    ),
    "few-captions": Trigger(
        lambda top, _: (*TOY, *captions(top, CAPTIONS, [*CAPTIONS], captions_per_image=2)),
        "2 of 3 images have fewer than 2 captions: b.png, c.png",
        "2 images with few captions",
        2,
    ),
    "hub-not-asked": Trigger(
        hub_out_of_reach,
        "hub 'org/set': the connection to http://127.0.0.1:* failed (*); the cache answered, with commit *",
        "hub not asked",
    ),
    "partial-annotation": Trigger(
        lambda top, _: boxes(top, lvis=True),
        "some images are not annotated for every class, and the evaluator pycocotools counts boxes of the other "
        "classes as mistakes",
        "partial annotation",
    ),
    "no-proposals": Trigger(
        lambda top, _: proposals(top, {"image_id": 1, "bbox": [2, 3, 10, 8], "score": 0.9}),
        "1 of 2 images has no proposals, so no object can be found in it: 2.png",
        "1 image without proposals",
    ),
    "own-detector": Trigger(
        lambda top, _: ("-m", "lone:", *boxes(top)[2:]),
        "the model's own detector found the boxes, because the model cannot classify given boxes; other models "
        "classify the data's own boxes; to compare detectors, use a card with `regions: native`",
        "own detector",
    ),
    "empty-regions": Trigger(
        lambda top, _: boxes(top, [(2, 3, 10, 8), (4, 5, 9, 0), (5, 5, 0, 9), (6, 6, 4, 4)]),
        "2 objects were empty or outside their image, so the model did not classify them",
        "2 empty objects",
        2,
    ),
    "repeated-class-names": Trigger(
        lambda top, _: (*TOY, *images(top), "--classnames", lines(top / "names.txt", "crane", "crane")),
        "1 class name occurs more than once: 'crane'",
        "1 repeated class name",
    ),
    "shared-words": Trigger(
        lambda top, _: masks(top, ALL, protocol={"synonyms": {"sky": ["blue", "air"], "sea": ["blue", "water"]}}),
        "1 word belongs to more than one class and counts only for the first of these classes: 'blue' (sky, sea)",
        "1 shared word",
    ),
    "unscored-classes": Trigger(
        lambda top, _: masks(top, {"a": 0, "b": 0}),
        "2 of 3 classes are in no mask of the 2 images: sand, sea",
        "2 of 3 classes in no mask",
        2,
    ),
    "no-intervals": Trigger(
        other_evaluator,
        "the evaluator faster-coco-eval gives no intervals and no results for single classes",
        "no intervals",
    ),
    "setting-unused": Trigger(
        lambda top, _: (*boxes(top), "--set", "readout=plain", "--set", "max_proposals=5"),
        "2 settings play no part in t: max_proposals, readout",
        "setting unused",
        2,
    ),
    "out-of-memory": Trigger(
        lambda top, _: (*model_card(top, "toy", "a", flaw="memory"), *images(top), "--batch-size", 4),
        "a batch of 4 did not fit into memory, so the run continued with batches of 2",
        "out of memory",
    ),
    "feature-cache": Trigger(
        broken_cache,
        "the feature cache {top}/cache/features/*.sqlite was broken (*); it has been removed",
        "feature cache",
    ),
    "warning": Trigger(outside_adapter, "the temperature was not stated, and 1 was taken", "warning"),
}
