"""Lists the files of those of torchvision's datasets that follow a benchmark's protocol.

The source :mod:`vlmbench.data.sources.torchvision` uses it. Some are left out on purpose: EuroSAT and Caltech101 have
no splits; ImageNet, Country211 and RenderedSST2 have one folder per class, so that
:mod:`vlmbench.data.sources.imagefolder` can read them and check the names of the classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Layout:
    """The files of one class of ``torchvision.datasets``.

    Paths are relative to the class's ``root``. In a path, ``{split}`` is replaced by the split, and ``{option}`` by the
    value of that option.

    Attributes:
        mark: paths; if one of them exists, the dataset is here.
        files: the files besides images that the class needs for every split. If the dataset is here and one of them is
            missing, it is an error.
        split_files: the files that the class needs for one split only.
        lists: attributes of the class that hold (file, MD5) of all splits. The class checks all of these files, so it
            gets only those of the wanted split, see :func:`vlmbench.data.sources.torchvision.of_one_split`.
        walked: the folder in which the class looks for images, and the pattern of their names. Other files in its
            sub-folders are counted as passed over.
        splits: the splits that the constructor knows; empty if the class has no splits.
        train_flag: the constructor takes ``train=True`` instead of ``split="train"``.
        options: other arguments that change the samples, with their allowed values; the first one is the default.
        images: how to get the images' paths: "loader" (the class takes a loader function), the name of an attribute of
            the dataset that holds them (beside ``_labels``, or in pairs with labels), or None (the images are in
            arrays, not in files).
        names: the class names in label order, if the class does not state them.
        first_label: the label of the first class.
        package: the package that the class needs besides torchvision's dependencies.
    """

    mark: tuple[str, ...]
    files: tuple[str, ...] = ()
    split_files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lists: tuple[str, ...] = ()
    walked: tuple[str, str] | None = None
    splits: tuple[str, ...] = ("train", "test")
    train_flag: bool = False
    options: Mapping[str, Sequence[object]] = field(default_factory=dict)
    images: Literal["loader", "_images", "_samples"] | None = None
    names: tuple[str, ...] | None = None
    first_label: int = 0
    package: str | None = None

    @property
    def shown(self) -> str:
        """The path by which messages name the dataset."""
        return (*self.split_files.get("test", ()), *self.files, *self.mark)[0]


_CIFAR10, _CIFAR100 = "cifar-10-batches-py", "cifar-100-python"

_LISTS = ("train_list", "test_list")

LAYOUTS: Mapping[str, Layout] = {
    # CIFAR is pickled. torchvision compares each file's MD5 with the published one before it unpickles anything.
    "CIFAR10": Layout(
        mark=(_CIFAR10,),
        files=(f"{_CIFAR10}/batches.meta",),
        split_files={
            "test": (f"{_CIFAR10}/test_batch",),
            "train": tuple(f"{_CIFAR10}/data_batch_{n}" for n in range(1, 6)),
        },
        lists=_LISTS,
        train_flag=True,
    ),
    "CIFAR100": Layout(
        mark=(_CIFAR100,),
        files=(f"{_CIFAR100}/meta",),
        split_files={split: (f"{_CIFAR100}/{split}",) for split in ("test", "train")},
        lists=_LISTS,
        train_flag=True,
    ),
    "MNIST": Layout(
        mark=("MNIST/raw", "MNIST/processed/test.pt"),  # old versions of torchvision wrote the second
        split_files={
            split: tuple(f"MNIST/raw/{part}-{what}-ubyte" for what in ("images-idx3", "labels-idx1"))
            for split, part in (("test", "t10k"), ("train", "train"))
        },
        lists=("resources",),
        train_flag=True,
    ),
    "STL10": Layout(
        mark=("stl10_binary",),
        files=("stl10_binary/class_names.txt",),
        split_files={
            split: tuple(f"stl10_binary/{split}_{what}.bin" for what in ("X", "y")) for split in ("test", "train")
        },
        lists=_LISTS,
    ),
    "SVHN": Layout(mark=("{split}_32x32.mat",), splits=("train", "test", "extra"), package="scipy"),
    "FER2013": Layout(
        mark=("fer2013/fer2013.csv", "fer2013/icml_face_data.csv"),
        # The numbering of the challenge, which is not alphabetical.
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
        files=("fgvc-aircraft-2013b/data/images", "fgvc-aircraft-2013b/data/images_{annotation_level}_{split}.txt"),
        splits=("train", "val", "trainval", "test"),
        options={"annotation_level": ("variant", "family", "manufacturer")},
        images="loader",
    ),
    "DTD": Layout(
        mark=("dtd/dtd/labels",),
        files=("dtd/dtd/labels/{split}{partition}.txt", "dtd/dtd/images"),
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
    "CLEVRClassification": Layout(  # the label is the number of objects, and every scene has at least three
        mark=("clevr/CLEVR_v1.0",),
        files=("clevr/CLEVR_v1.0/scenes/CLEVR_{split}_scenes.json", "clevr/CLEVR_v1.0/images/{split}"),
        splits=("train", "val"),
        images="loader",
        first_label=3,
    ),
    "SUN397": Layout(mark=("SUN397/ClassName.txt",), splits=(), images="loader", walked=("SUN397", "sun_*.jpg")),
}
