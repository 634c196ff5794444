"""Are our numbers exactly CLIP_benchmark 1.6.2's? Same checkpoint, same images, same prompts, float32.

    python tests/parity/clip_benchmark.py DATA [--work DIR] [--peer-python PYTHON]

DATA is a folder that holds ``cifar10/test/<class>/*.png``. The script writes a seeded random ViT-B/32 checkpoint and
the images in clip-benchmark's webdataset layout, makes an environment with ``clip-benchmark==1.6.2``, lets it
evaluate, does the same with vlmbench, and prints the largest differences. Exit code 1 where one is above its
tolerance.

Not collected by pytest: the peer's environment takes minutes to install.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "perf"))
from peer import make_checkpoint, make_peer, write_shards

COSINE_TOLERANCE = 1e-5

PEER = """
import json, sys, time
import numpy as np, torch, open_clip
from clip_benchmark.datasets.builder import build_dataset, get_dataset_collate_fn
from clip_benchmark.metrics import zeroshot_classification as zsc

work, batch = sys.argv[1], int(sys.argv[2])
model, _, transform = open_clip.create_model_and_transforms("ViT-B-32", pretrained=f"{work}/vit-b-32.pt")
tokenizer = open_clip.get_tokenizer("ViT-B-32")
model.eval()
dataset = build_dataset("wds/cifar10", root=f"{work}/wds", transform=transform, split="test", download=False)
loader = torch.utils.data.DataLoader(dataset.batched(batch), batch_size=None, shuffle=False, num_workers=1)
loader.dataset.classes = dataset.classes
kept = {}


def keep(name):
    # evaluate() returns only metrics: keep what its steps return on the way
    step = getattr(zsc, name)

    def kept_step(*args, **kwargs):
        kept[name] = step(*args, **kwargs)
        return kept[name]

    setattr(zsc, name, kept_step)


keep("zero_shot_classifier")
keep("run_classification")
started = time.perf_counter()
metrics = zsc.evaluate(model, loader, tokenizer, dataset.classes, dataset.templates, "cpu", amp=False)
seconds = time.perf_counter() - started
head = kept["zero_shot_classifier"]
logits, target = kept["run_classification"]
np.savez(f"{work}/peer.npz", head=head.T.numpy(), logits=logits.numpy(), target=target.numpy())
json.dump({"metrics": metrics, "seconds": seconds}, open(f"{work}/peer.json", "w"))
"""


def main() -> int:
    """Run both and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with cifar10/test/<class>/*.png")
    parser.add_argument("--work", type=Path, help="where to put checkpoint, webdataset and environment")
    parser.add_argument("--peer-python", type=Path, help="an environment that has clip-benchmark already")
    parser.add_argument("--batch-size", type=int, default=64)
    arguments = parser.parse_args()
    work = arguments.work or Path(tempfile.mkdtemp(prefix="vlmbench-parity-"))
    work.mkdir(parents=True, exist_ok=True)

    make_checkpoint(work / "vit-b-32.pt")
    make_webdataset(arguments.data / "cifar10" / "test", work / "wds")
    python = arguments.peer_python or make_peer(work / "peer")
    subprocess.run([python, "-c", PEER, work, str(arguments.batch_size)], check=True)
    return compare(work, arguments.batch_size)


def make_webdataset(folder: Path, root: Path) -> None:
    """The images in clip-benchmark's layout, with the class names and templates of the ``cifar10`` card."""
    from vlmbench import load_task

    card = load_task("cifar10")
    names, templates = card.classes or [], card.templates or []
    images = [(path, label) for label, name in enumerate(names) for path in sorted((folder / name).iterdir())]
    write_shards(root, images, names, templates)


def compare(work: Path, batch_size: int) -> int:
    """Evaluate the same with vlmbench and print the differences."""
    import pyarrow.parquet as pq
    import torch

    from vlmbench import evaluate, load_model
    from vlmbench.cards import SourceSpec
    from vlmbench.data.base import SourceContext
    from vlmbench.data.open import open_dataset
    from vlmbench.features.engine import EngineSettings, FeatureEngine
    from vlmbench.store import ResultStore
    from vlmbench.transfer.methods.zero_shot import ensemble

    spec = f"open_clip:ViT-B-32/{work / 'vit-b-32.pt'}"
    task = work / "parity-cifar10.yaml"
    task.write_text(f"name: parity-cifar10\nsources: [{{kind: wds, location: {work / 'wds'}, split: test}}]\n")
    started = time.perf_counter()
    (record,) = evaluate(spec, str(task), results=work / "runs", batch_size=batch_size, use_cache=False, force=True)
    seconds = time.perf_counter() - started

    dataset = open_dataset([SourceSpec(kind="wds", location=str(work / "wds"), split="test")], SourceContext())
    engine = FeatureEngine(load_model(spec, device="cpu"), EngineSettings(batch_size=batch_size))
    templates, names = dataset.templates or (), dataset.classes or ()
    prompts = [template.replace("{c}", name) for name in names for template in templates]
    head = ensemble(engine.texts(prompts), len(names))
    cosine = torch.empty(len(dataset.samples), len(names))
    for batch in engine.images(dataset, range(len(dataset.samples))):
        cosine[batch.indices] = batch.features @ head.T

    peer, reported = np.load(work / "peer.npz"), json.loads((work / "peer.json").read_text())
    differences = {
        "classifier, 1 - cosine": float((1 - (head.numpy() * peer["head"]).sum(axis=1)).max()),
        "classifier, largest element": float(np.abs(head.numpy() - peer["head"]).max()),
        "logits / 100, largest": float(np.abs(cosine.numpy() - peer["logits"] / 100).max()),
    }
    labels = [sample.target for sample in dataset.samples]
    folder = ResultStore(work / "runs").folder(record.model.name, record.task.name)
    predicted = np.array(pq.read_table(folder / record.predictions.file)["top"].to_pylist())[:, 0]
    agree = int((predicted == peer["logits"].argmax(axis=1)).sum())
    failed = labels != peer["target"].tolist() or any(value > COSINE_TOLERANCE for value in differences.values())
    print(f"{len(labels)} images, {len(names)} classes x {len(templates)} templates, float32, batches of {batch_size}")
    for name, value in differences.items():
        print(f"  {name:<32} {value:.2e}   (at most {COSINE_TOLERANCE:.0e})")
    print(f"  {'same top-1':<32} {agree} of {len(labels)}")
    for name, theirs in reported["metrics"].items():
        ours = record.metrics[name].value
        same = ours is not None and abs(ours - theirs) < 1e-12
        failed |= not same
        print(f"  {name:<32} {ours!r} vs {theirs!r}   {'identical' if same else 'DIFFERENT'}")
    print(f"  seconds (vlmbench with loading)  {seconds:.1f} vs {reported['seconds']:.1f}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
