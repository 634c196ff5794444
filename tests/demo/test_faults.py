from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import vlmbench
from vlmbench.demo.faults import CHECKPOINT, FAULTS, write_faulty
from vlmbench.errors import StoreError

WEIGHTS = "open_clip_model.safetensors"
FILES = {path.name for path in CHECKPOINT.iterdir()}
CHANGED = {
    "noise": {WEIGHTS},
    "normalisation": {"open_clip_config.json"},
    "tokenizer": {"tokenizer.json"},
    "int8": {WEIGHTS},
    "int8-overflow": {WEIGHTS},
}


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("faulty")
    write_faulty(root)
    return root


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_in_one_file_alone(faulty: Path, name: str) -> None:
    folder = faulty / name
    assert {path.name for path in folder.iterdir()} == FILES
    changed = {file for file in FILES if (folder / file).read_bytes() != (CHECKPOINT / file).read_bytes()}
    assert changed == CHANGED[name]


def test_int8_has_255_values_a_matrix_and_is_near(faulty: Path) -> None:
    was, now = (load_file(folder / WEIGHTS) for folder in (CHECKPOINT, faulty / "int8"))
    matrix = "visual.layer3.0.conv2.weight"
    step = was[matrix].float().abs().max() / 127
    assert len(now[matrix].unique()) <= 255
    # Stored in half precision: half a step, and that type's own rounding of the largest weight.
    assert (now[matrix] - was[matrix]).float().abs().max() <= step / 2 + was[matrix].float().abs().max() * 2**-10
    biases = [name for name, weight in was.items() if weight.ndim < 2]
    assert all(torch.equal(was[name], now[name]) for name in biases)


def test_an_overflow_turns_signs_of_large_weights_alone(faulty: Path) -> None:
    was, now = (load_file(folder / WEIGHTS) for folder in (CHECKPOINT, faulty / "int8-overflow"))
    matrix = "visual.layer3.0.conv2.weight"
    large = was[matrix].abs() > 0.51 * was[matrix].abs().max()
    small = was[matrix].abs() < 0.49 * was[matrix].abs().max()
    assert large.any() and (was[matrix][large] * now[matrix][large] < 0).all()
    assert (was[matrix][small] * now[matrix][small] >= 0).all()


def test_a_swapped_tokenizer_has_the_same_words_and_special_tokens(faulty: Path) -> None:
    was, now = (
        json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
        for folder in (CHECKPOINT, faulty / "tokenizer")
    )
    assert was.keys() == now.keys() and sorted(was.values()) == sorted(now.values())
    assert sum(was[word] != now[word] for word in was) > 600
    assert all(was[word] == now[word] for word in was if word in ("<pad>", "<start_of_text>", "<end_of_text>"))


def test_a_faulty_checkpoint_loads(faulty: Path) -> None:
    model = vlmbench.load_model(f"open_clip:local-dir:{faulty / 'noise'}", device="cpu")
    assert model.encode_text(["a red circle"]).shape == (1, 128)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreError, match="cannot write"):
        write_faulty(tmp_path / "file")
