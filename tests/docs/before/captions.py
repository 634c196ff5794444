"""What the reader has: an album with a table of captions, and images with captions in two splits."""

import json
from pathlib import Path

from data.layouts import image_bytes, write_folder


def prepare(folder: Path) -> None:
    splits = {"a.jpg": "train", "b.jpg": "test", "c.jpg": "test"}
    images = [
        {"filename": name, "split": split, "sentences": [{"raw": f"a picture of {name[0]}"}]}
        for name, split in splits.items()
    ]
    files = {name: image_bytes(number, "JPEG") for number, name in enumerate(splits)}
    files["dataset_flickr30k.json"] = json.dumps({"images": images, "dataset": "flickr30k"}).encode()
    write_folder(folder / "flickr30k", files)
    album = {f"{name}.jpg": image_bytes(ord(name), "JPEG") for name in "xy"}
    write_folder(folder / "album", album | {"captions.csv": b"image,caption\nx.jpg,a red ball\ny.jpg,a green box\n"})
