"""What torchvision's datasets look like on disk: a table of those that fit a benchmark's protocol.

Left out on purpose: EuroSAT and Caltech101 (no split: all images), ImageNet, Country211 and RenderedSST2 (folders a
class, which :mod:`vlmbench.data.sources.imagefolder` reads and checks by their names).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Layout:
    """One class of ``torchvision.datasets``. Paths are relative to its ``root``; ``{split}`` stands for the split.

    Attributes:
        mark: paths of which one suffices to say that the dataset is meant to be here.
        files: what the class needs besides the images. One that is missing is an error once a mark is there.
        splits: those its constructor knows and whose names its files have; none: it has no splits.
        train_flag: the constructor says ``train=True`` instead of ``split="train"``.
        options: its other arguments that change the samples, and their allowed values.
        images: where the images' paths are: "loader" (the class takes one), the name of an attribute of the
            dataset (with ``_labels`` beside it, or pairs), None (the images are in arrays, not in files).
        names: what the labels mean, where the class does not say.
        first_label: what the lowest class is labelled with.
        package: what it reads its files with, if that is no dependency of torchvision.
    """

    mark: tuple[str, ...]
    files: tuple[str, ...] = ()
    splits: tuple[str, ...] = ("train", "test")
    train_flag: bool = False
    options: Mapping[str, Collection[object]] = field(default_factory=dict)
    images: Literal["loader", "_images", "_samples"] | None = None
    names: tuple[str, ...] | None = None
    first_label: int = 0
    package: str | None = None

    @property
    def shown(self) -> str:
        """The path that a message names for the whole layout."""
        return (self.files or self.mark)[0]


_CIFAR10, _CIFAR100 = "cifar-10-batches-py", "cifar-100-python"

LAYOUTS: Mapping[str, Layout] = {
    # CIFAR is pickled. torchvision compares every file's MD5 with the published one before it unpickles anything.
    "CIFAR10": Layout(
        mark=(_CIFAR10,),
        files=tuple(
            f"{_CIFAR10}/{name}" for name in ("test_batch", "batches.meta", *(f"data_batch_{n}" for n in range(1, 6)))
        ),
        train_flag=True,
    ),
    "CIFAR100": Layout(
        mark=(_CIFAR100,), files=tuple(f"{_CIFAR100}/{name}" for name in ("test", "train", "meta")), train_flag=True
    ),
    "MNIST": Layout(
        mark=("MNIST/raw", "MNIST/processed/test.pt"),  # the latter, of old versions, is read where it is there
        files=tuple(
            f"MNIST/raw/{part}-{what}-ubyte" for part in ("t10k", "train") for what in ("images-idx3", "labels-idx1")
        ),
        train_flag=True,
    ),
    "STL10": Layout(
        mark=("stl10_binary",),
        files=tuple(
            f"stl10_binary/{name}"
            for name in ("test_X.bin", "test_y.bin", "class_names.txt", "train_X.bin", "train_y.bin", "unlabeled_X.bin")
        ),
    ),
    "SVHN": Layout(mark=("{split}_32x32.mat",), splits=("train", "test", "extra"), package="scipy"),
    "FER2013": Layout(
        mark=("fer2013/fer2013.csv", "fer2013/icml_face_data.csv"),
        # The challenge's own numbering; alphabetical it is not.
        names=("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"),
    ),
    "PCAM": Layout(
        mark=("pcam/camelyonpatch_level_2_split_{split}_x.h5", "pcam/camelyonpatch_level_2_split_{split}_y.h5"),
        files=("pcam/camelyonpatch_level_2_split_{split}_x.h5", "pcam/camelyonpatch_level_2_split_{split}_y.h5"),
        package="h5py",
    ),
    "Food101": Layout(
        mark=("food-101/meta",), files=("food-101/meta/{split}.json", "food-101/images"), images="loader"
    ),
    "OxfordIIITPet": Layout(
        mark=("oxford-iiit-pet/annotations",),
        files=("oxford-iiit-pet/annotations/{split}.txt", "oxford-iiit-pet/images"),
        splits=("trainval", "test"),
        images="_images",
    ),
    "FGVCAircraft": Layout(
        mark=("fgvc-aircraft-2013b/data",),
        files=("fgvc-aircraft-2013b/data/images", "fgvc-aircraft-2013b/data/images_variant_{split}.txt"),
        splits=("train", "val", "trainval", "test"),
        options={"annotation_level": ("variant", "family", "manufacturer")},
        images="loader",
    ),
    "DTD": Layout(
        mark=("dtd/dtd/labels",),
        files=("dtd/dtd/labels/{split}1.txt", "dtd/dtd/images"),
        splits=("train", "val", "test"),
        options={"partition": range(1, 11)},
        images="loader",
    ),
    "Flowers102": Layout(
        mark=("flowers-102/setid.mat", "flowers-102/imagelabels.mat", "flowers-102/jpg"),
        files=("flowers-102/setid.mat", "flowers-102/imagelabels.mat", "flowers-102/jpg"),
        splits=("train", "val", "test"),
        images="loader",
        package="scipy",
    ),
    "StanfordCars": Layout(
        mark=("stanford_cars/cars_test", "stanford_cars/cars_test_annos_withlabels.mat"),
        files=(
            "stanford_cars/cars_test_annos_withlabels.mat",
            "stanford_cars/cars_test",
            "stanford_cars/devkit/cars_meta.mat",
        ),
        splits=("test",),
        images="loader",
        package="scipy",
    ),
    "GTSRB": Layout(
        mark=("gtsrb/GTSRB/Final_Test",),
        files=("gtsrb/GTSRB/Final_Test/Images", "gtsrb/GT-final_test.csv"),
        splits=("test",),
        images="_samples",
    ),
    "CLEVRClassification": Layout(  # how many objects there are, and no scene has less than three
        mark=("clevr/CLEVR_v1.0",),
        files=("clevr/CLEVR_v1.0/scenes/CLEVR_{split}_scenes.json", "clevr/CLEVR_v1.0/images/{split}"),
        splits=("train", "val"),
        images="loader",
        first_label=3,
    ),
    "SUN397": Layout(mark=("SUN397/ClassName.txt",), splits=(), images="loader"),
}
