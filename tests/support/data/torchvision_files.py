"""Small datasets in the files of torchvision's: one image of each class, in reverse order of the labels.

torchvision knows the MD5 sums of the published files; those of ours are put in their place.
"""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io
from cards.protocols import CARDS
from data.layouts import image_bytes
from torchvision import datasets

Build = Callable[[Path, Sequence[str], pytest.MonkeyPatch], None]


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def labels_of(names: Sequence[str], first: int = 0) -> list[int]:
    return list(range(first, first + len(names)))[::-1]


def pixels(count: int, *shape: int) -> Any:
    return np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)


def write(path: Path, content: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def jpeg(label: int) -> bytes:
    return image_bytes(label, "JPEG")


def cifar(root: Path, names: Sequence[str], patch: pytest.MonkeyPatch, kind: Any, label_key: str) -> None:
    folder = root / kind.base_folder
    entry = {"data": pixels(len(names), 3072), label_key: labels_of(names)}
    for name, _ in kind.train_list + kind.test_list:
        write(folder / name, pickle.dumps(entry))
    write(folder / kind.meta["filename"], pickle.dumps({kind.meta["key"]: list(names)}))
    for attribute in ("train_list", "test_list"):
        patch.setattr(kind, attribute, [[name, md5(folder / name)] for name, _ in getattr(kind, attribute)])
    patch.setattr(kind, "meta", kind.meta | {"md5": md5(folder / kind.meta["filename"])})


def cifar10(root: Path, names: Sequence[str], patch: pytest.MonkeyPatch) -> None:
    cifar(root, names, patch, datasets.CIFAR10, "labels")


def cifar100(root: Path, names: Sequence[str], patch: pytest.MonkeyPatch) -> None:
    cifar(root, names, patch, datasets.CIFAR100, "fine_labels")


def mnist(root: Path, names: Sequence[str], patch: pytest.MonkeyPatch) -> None:
    count = len(names)
    for part in ("train", "t10k"):
        head = b"".join(size.to_bytes(4, "big") for size in (0x803, count, 28, 28))
        write(root / f"MNIST/raw/{part}-images-idx3-ubyte", head + pixels(count, 28, 28).tobytes())
        head = b"".join(size.to_bytes(4, "big") for size in (0x801, count))
        write(root / f"MNIST/raw/{part}-labels-idx1-ubyte", head + bytes(labels_of(names)))


def stl10(root: Path, names: Sequence[str], patch: pytest.MonkeyPatch) -> None:
    folder = root / "stl10_binary"
    write(folder / "class_names.txt", "".join(f"{name}\n" for name in names))
    for attribute in ("train_list", "test_list"):
        files = getattr(datasets.STL10, attribute)
        for name, _ in files:
            write(folder / name, bytes(labels_of(names, 1)) if "_y" in name else pixels(len(names), 27648).tobytes())
        patch.setattr(datasets.STL10, attribute, [[name, md5(folder / name)] for name, _ in files])


def svhn(root: Path, names: Sequence[str], patch: pytest.MonkeyPatch) -> None:
    root.mkdir(parents=True, exist_ok=True)
    file = root / "test_32x32.mat"
    digits = [label or 10 for label in labels_of(names)]  # the authors write 10 for the digit 0
    scipy.io.savemat(file, {"X": pixels(len(names), 32, 32, 3).transpose(1, 2, 3, 0), "y": np.c_[digits]})
    patch.setitem(datasets.SVHN.split_list, "test", ["", file.name, md5(file)])


def fer2013(root: Path, names: Sequence[str], patch: pytest.MonkeyPatch) -> None:
    rows = [
        f'{label},"{" ".join(map(str, face.ravel()))}",{usage}\n'
        for usage in ("Training", "PublicTest", "PrivateTest")
        for label, face in zip(labels_of(names), pixels(len(names), 48, 48), strict=True)
    ]
    file = write(root / "fer2013/fer2013.csv", "emotion,pixels,Usage\n" + "".join(rows))
    patch.setitem(datasets.FER2013._RESOURCES, "fer", (file.name, md5(file)))


def pcam(root: Path, names: Sequence[str], patch: pytest.MonkeyPatch) -> None:
    (root / "pcam").mkdir(parents=True, exist_ok=True)
    labels = np.array(labels_of(names)).reshape(-1, 1, 1, 1)
    for what, data in (("x", pixels(len(names), 96, 96, 3)), ("y", labels)):
        with h5py.File(root / f"pcam/camelyonpatch_level_2_split_test_{what}.h5", "w") as file:
            file[what] = data


def food101(root: Path, names: Sequence[str], patch: pytest.MonkeyPatch) -> None:
    keys = [name.replace(" ", "_") for name in names]
    listed = {keys[label]: [f"{keys[label]}/{label}"] for label in labels_of(names)}
    write(root / "food-101/meta/test.json", json.dumps(listed))
    for label, key in enumerate(keys):
        write(root / f"food-101/images/{key}/{label}.jpg", jpeg(label))


def oxford_pets(root: Path, names: Sequence[str], patch: pytest.MonkeyPatch) -> None:
    breeds = [name.replace(" ", "_") for name in names]
    lines = [f"{breeds[label]}_{label} {label + 1} 1 1\n" for label in labels_of(names)]
    write(root / "oxford-iiit-pet/annotations/test.txt", "".join(lines))
    for label, breed in enumerate(breeds):
        write(root / f"oxford-iiit-pet/images/{breed}_{label}.jpg", jpeg(label))


def fgvc_aircraft(root: Path, names: Sequence[str], patch: pytest.MonkeyPatch) -> None:
    data = root / "fgvc-aircraft-2013b/data"
    write(data / "variants.txt", "".join(f"{name}\n" for name in names))
    write(data / "images_variant_test.txt", "".join(f"{label:07} {names[label]}\n" for label in labels_of(names)))
    for label in labels_of(names):
        write(data / f"images/{label:07}.jpg", jpeg(label))


def dtd(root: Path, names: Sequence[str], patch: pytest.MonkeyPatch) -> None:
    for label, name in enumerate(names):
        write(root / f"dtd/dtd/images/{name}/{name}_{label}.jpg", jpeg(label))
    listed = [f"{names[label]}/{names[label]}_{label}.jpg\n" for label in labels_of(names)]
    write(root / "dtd/dtd/labels/test1.txt", "".join(listed))


def flowers102(root: Path, names: Sequence[str], patch: pytest.MonkeyPatch) -> None:
    folder = root / "flowers-102"
    for number in range(1, len(names) + 1):
        write(folder / f"jpg/image_{number:05}.jpg", jpeg(len(names) - number))
    scipy.io.savemat(folder / "setid.mat", {"tstid": np.arange(1, len(names) + 1)})
    scipy.io.savemat(folder / "imagelabels.mat", {"labels": np.array(labels_of(names, 1))})
    for key in ("setid", "label"):
        name = datasets.Flowers102._file_dict[key][0]
        patch.setitem(datasets.Flowers102._file_dict, key, (name, md5(folder / name)))


def stanford_cars(root: Path, names: Sequence[str], patch: pytest.MonkeyPatch) -> None:
    folder = root / "stanford_cars"
    for label in labels_of(names):
        write(folder / f"cars_test/{label:05}.jpg", jpeg(label))
    rows = np.array([(f"{label:05}.jpg", label + 1) for label in labels_of(names)], [("fname", object), ("class", int)])
    scipy.io.savemat(folder / "cars_test_annos_withlabels.mat", {"annotations": rows})
    (folder / "devkit").mkdir()
    scipy.io.savemat(folder / "devkit/cars_meta.mat", {"class_names": np.array(names, dtype=object)})


def gtsrb(root: Path, names: Sequence[str], patch: pytest.MonkeyPatch) -> None:
    for label in labels_of(names):
        write(root / f"gtsrb/GTSRB/Final_Test/Images/{label:05}.ppm", image_bytes(label, "PPM"))
    rows = [f"{label:05}.ppm;12;9;0;0;12;9;{label}\n" for label in labels_of(names)]
    head = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId\n"
    write(root / "gtsrb/GT-final_test.csv", head + "".join(rows))


def clevr(root: Path, names: Sequence[str], patch: pytest.MonkeyPatch) -> None:
    folder = root / "clevr/CLEVR_v1.0"
    scenes = [{"image_filename": f"{label}.png", "objects": [{}] * (label + 3)} for label in labels_of(names)]
    write(folder / "scenes/CLEVR_val_scenes.json", json.dumps({"scenes": scenes}))
    for label in labels_of(names):
        write(folder / f"images/val/{label}.png", image_bytes(label))


def sun_folder(name: str) -> str:
    """``church outdoor`` lies in ``c/church/outdoor``, ``jail cell`` in ``j/jail_cell``."""
    words = name.split()
    place = f"{'_'.join(words[:-1])}/{words[-1]}" if words[-1] in ("indoor", "outdoor") else "_".join(words)
    return f"{name[0]}/{place}"


def sun397(root: Path, names: Sequence[str], patch: pytest.MonkeyPatch) -> None:
    """``ClassName.txt`` in an order that is not the card's: the labels are its positions."""
    folders = [sun_folder(name) for name in names]
    write(root / "SUN397/ClassName.txt", "".join(f"/{folder}\n" for folder in sorted(folders, reverse=True)))
    for label, folder in enumerate(folders):
        write(root / f"SUN397/{folder}/sun_{label}.jpg", jpeg(label))


BUILDERS: dict[str, Build] = {
    "CIFAR10": cifar10,
    "CIFAR100": cifar100,
    "MNIST": mnist,
    "STL10": stl10,
    "SVHN": svhn,
    "FER2013": fer2013,
    "PCAM": pcam,
    "Food101": food101,
    "OxfordIIITPet": oxford_pets,
    "FGVCAircraft": fgvc_aircraft,
    "DTD": dtd,
    "Flowers102": flowers102,
    "StanfordCars": stanford_cars,
    "GTSRB": gtsrb,
    "CLEVRClassification": clevr,
    "SUN397": sun397,
}

CARD_OF = {
    spec.location: name for name, card in reversed(CARDS.items()) for spec in card.sources if spec.kind == "torchvision"
}
"""One card of each class."""

OWN_ORDER: dict[str, Callable[[Sequence[str]], list[str]]] = {
    # What label n means in the data, from the card's classes: where the two differ, or the data's rule is known.
    "FER2013": lambda classes: ["angry", "disgusted", "fearful", "happy", "sad", "surprised", "neutral"],
    "OxfordIIITPet": lambda classes: sorted(classes, key=str.casefold),
    "Food101": lambda classes: sorted(classes, key=lambda name: name.replace(" ", "_")),
    "DTD": sorted,
    "FGVCAircraft": sorted,
}


def build(name: str, root: Path, patch: pytest.MonkeyPatch) -> list[str]:
    """Write the dataset; what its labels mean, in the card's words."""
    classes = CARDS[CARD_OF[name]].classes or []
    names = OWN_ORDER.get(name, list)(classes)
    assert sorted(names) == sorted(classes)
    BUILDERS[name](root, names, patch)
    return names
