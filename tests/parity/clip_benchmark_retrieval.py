"""Is our recall exactly CLIP_benchmark 1.6.2's? Same checkpoint, same images, same captions, float32.

    python tests/parity/clip_benchmark_retrieval.py DATA [--work DIR] [--peer-python PYTHON]

DATA is a folder that holds ``flickr8k/captions.txt`` and ``flickr8k/images/``. The script writes a seeded random
ViT-B/32 checkpoint and the images with their captions in clip-benchmark's webdataset layout, lets
``clip-benchmark==1.6.2`` evaluate them,
does the same with vlmbench, and prints both. Exit code 1 where a number differs.

Not collected by pytest: the peer's environment takes minutes to install.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "perf"))
from peer import make_checkpoint, make_peer

NAMES = {"image_retrieval": "text_to_image", "text_retrieval": "image_to_text"}

PEER = """
import json, sys
import torch, open_clip
from clip_benchmark.datasets.builder import build_dataset, image_captions_collate_fn
from clip_benchmark.metrics import zeroshot_retrieval

work, batch = sys.argv[1], int(sys.argv[2])
model, _, transform = open_clip.create_model_and_transforms("ViT-B-32", pretrained=f"{work}/vit-b-32.pt")
tokenizer = open_clip.get_tokenizer("ViT-B-32")
model.eval()
where = {"root": f"{work}/wds", "split": "test", "download": False, "task": "zeroshot_retrieval"}
dataset = build_dataset("wds/flickr8k", transform=transform, **where)
batches = dataset.batched(batch, collation_fn=image_captions_collate_fn)
loader = torch.utils.data.DataLoader(batches, batch_size=None, shuffle=False, num_workers=0)
metrics = zeroshot_retrieval.evaluate(model, loader, tokenizer, "cpu", amp=False, recall_k_list=[1, 5, 10])
json.dump(metrics, open(f"{work}/peer.json", "w"))
"""


def main() -> int:
    """Run both and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with flickr8k/captions.txt and flickr8k/images/")
    parser.add_argument("--work", type=Path, help="where to put checkpoint, webdataset and environment")
    parser.add_argument("--peer-python", type=Path, help="an environment that has clip-benchmark already")
    parser.add_argument("--batch-size", type=int, default=32)
    arguments = parser.parse_args()
    work = arguments.work or Path(tempfile.mkdtemp(prefix="vlmbench-parity-"))
    work.mkdir(parents=True, exist_ok=True)
    make_checkpoint(work / "vit-b-32.pt")
    make_webdataset(arguments.data / "flickr8k", work / "wds")
    python = arguments.peer_python or make_peer(work / "peer")
    subprocess.run([python, "-c", PEER, work, str(arguments.batch_size)], check=True)
    return compare(arguments.data / "flickr8k", work, arguments.batch_size)


def make_webdataset(folder: Path, root: Path) -> None:
    """The images and captions in clip-benchmark's layout."""
    from vlmbench.data.formats.captions.caption_files import read_captions

    (root / "test").mkdir(parents=True, exist_ok=True)
    (root / "dataset_type.txt").write_text("retrieval\n")
    (root / "test" / "nshards.txt").write_text("1\n")
    with tarfile.open(root / "test" / "0.tar", "w") as tar:
        for index, entry in enumerate(read_captions(folder / "captions.txt", None)):
            image, text = (folder / "images" / entry.image).read_bytes(), "\n".join(entry.captions).encode()
            for extension, data in (("jpg", image), ("txt", text)):
                member = tarfile.TarInfo(f"s{index:07d}.{extension}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))


def compare(folder: Path, work: Path, batch_size: int) -> int:
    """Evaluate the same with vlmbench, from the folder and from the shards, and print the numbers."""
    from vlmbench import evaluate

    spec = f"open_clip:ViT-B-32/{work / 'vit-b-32.pt'}"
    tasks = [f"captions:{place}" for place in (folder, work / "wds")]
    records = evaluate(spec, tasks, results=work / "runs", batch_size=batch_size, use_cache=False, force=True)
    peer = json.loads((work / "peer.json").read_text())
    failed = records[0].task.dataset.fingerprint != records[1].task.dataset.fingerprint
    print(f"folder and shards have {'DIFFERENT fingerprints' if failed else 'one fingerprint'}")
    for name, theirs in peer.items():
        direction, _, rest = name.partition("_recall")
        ours = [record.metrics[f"{NAMES[direction]}_recall{rest}"].value for record in records]
        same = all(value is not None and abs(value - theirs) < 1e-6 for value in ours)  # theirs is a float32 mean
        failed |= not same
        print(f"  {name:<28} {ours[0]:.6f} {ours[1]:.6f} vs {theirs:.6f}   {'same' if same else 'DIFFERENT'}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
