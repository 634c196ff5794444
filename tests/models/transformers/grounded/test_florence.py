"""Florence-2: the library's own generation and parsing, one question a label."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from vlmbench.errors import ModelError, VlmbenchWarning
from vlmbench.models.base import TokenReader, capability
from vlmbench.remarks.base import gathered_remarks
from vlmbench.remarks.codes import WARNING

transformers = pytest.importorskip("transformers", reason="the transformers extra is not installed")

from models.checkpoints import open_folder  # noqa: E402  (after the skip)
from models.transformers.grounded.detectors import detector, florence, pictures  # noqa: E402
from support.abilities import check_cards_of  # noqa: E402

from vlmbench.models.transformers.grounded import florence as florence_module  # noqa: E402
from vlmbench.models.transformers.grounded.florence import TASK, in_turns, longest_answer  # noqa: E402

LABELS = ["cat", "a photo of a dog", "red bus"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return florence(tmp_path_factory.mktemp("florence"))


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    with gathered_remarks(WARNING) as said:
        found = open_folder(folder)
    (remark,) = said.remarks
    assert remark.code == "no-confidence" and remark.unranked
    return found


def spied(model: Any, monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """What the model writes from now on."""
    written: list[torch.Tensor] = []
    generate = detector(model)._network.generate
    monkeypatch.setattr(
        detector(model)._network, "generate", lambda **given: written.append(generate(**given)) or written[-1]
    )
    return written


def test_answers_are_the_librarys(folder, model, monkeypatch):
    """Image features are computed once for all labels; the library computes them for each."""
    written = spied(model, monkeypatch)
    detector(model).detect(pictures()[:2], LABELS)
    network = transformers.Florence2ForConditionalGeneration.from_pretrained(folder).eval()
    processor = transformers.AutoProcessor.from_pretrained(folder)
    for image, answers in zip(pictures()[:2], written, strict=True):
        assert len(answers) == len(LABELS)
        for label, answer in zip(LABELS, answers, strict=True):
            inputs = processor(images=image, text=f"{TASK}{label}", return_tensors="pt")
            with torch.inference_mode():
                (alone,) = network.generate(**inputs, max_new_tokens=longest_answer(network), do_sample=False)
            assert answer[: len(alone)].tolist() == alone.tolist()
            assert set(answer[len(alone) :].tolist()) <= {processor.tokenizer.pad_token_id}
    assert len({tuple(row.tolist()) for row in torch.cat(written)}) > 2  # texts and images change the answer


def test_chunks_of_labels_change_nothing(model, monkeypatch):
    written = spied(model, monkeypatch)
    detector(model).detect(pictures()[:1], LABELS)
    monkeypatch.setattr(florence_module, "LABELS_AT_ONCE", 2)
    detector(model).detect(pictures()[:1], LABELS)
    whole, *parts = ([row.tolist() for row in answers] for answers in written)
    strip = [[token for token in row if token != 1] for row in whole]
    assert strip == [[token for token in row if token != 1] for part in parts for row in part]


def test_boxes_are_parsed_by_the_library(model, monkeypatch):
    """An answer with two boxes for the first label, none for the second, and one for the third."""
    answers = [
        "</s><s>cat<loc_100><loc_200><loc_500><loc_900><loc_0><loc_0><loc_999><loc_999></s>",
        "</s><s>nothing</s>",
        "</s><s>red bus<loc_10><loc_20><loc_30><loc_40></s>",
    ]
    monkeypatch.setattr(detector(model)._network, "generate", lambda **_: torch.zeros(3, 1, dtype=torch.long))
    monkeypatch.setattr(detector(model)._processor, "batch_decode", lambda *_, **__: answers)
    (found,) = detector(model).detect(pictures()[:1], LABELS)  # 120 x 90
    # A place n is the pixel floor((n + 0.5) / 1000 * side).
    assert found.boxes.tolist() == [[12, 18, 60, 81], [1, 1, 3, 3], [0, 0, 119, 89]]
    assert found.labels.tolist() == [0, 2, 0] and found.scores.tolist() == [1.0, 1.0, 1.0]
    assert found.labels.dtype == torch.int64 and found.boxes.dtype == torch.float32


def test_boxes_come_in_turns():
    found = in_turns([[[0.0, 0, 1, 1], [0.0, 0, 2, 2]], [], [[0.0, 0, 3, 3]]], torch.device("cpu"))
    assert found.labels.tolist() == [0, 2, 0] and found.boxes[:, 2].tolist() == [1, 3, 2]


def test_no_labels_and_no_images(model):
    for image in detector(model).detect(pictures(), []):
        assert image.boxes.shape == (0, 4) and image.scores.shape == (0,) and image.labels.dtype == torch.int64
    assert detector(model).detect([], LABELS) == []


def test_a_question_that_is_too_long(model):
    with pytest.raises(ModelError, match=r"the question about the label 'cat cat.*' has \d+ tokens.*reads 20"):
        detector(model).detect(pictures()[:1], ["dog", "cat " * 30])
    reader = capability(model, TokenReader)
    assert reader is not None and list(reader.token_counts(["cat " * 30])) == [42]


@pytest.mark.parametrize("command", ["<OD>", "<image>", "<loc_5>", "</s>", "<OPEN_VOCABULARY_DETECTION>"])
def test_a_label_with_a_command(model, command):
    """The library would fail, or read another question in silence."""
    with pytest.raises(ModelError, match=f"the label 'a {command} b' contains '{command}', which is not text"):
        detector(model).detect(pictures()[:1], ["dog", f"a {command} b"])
    assert len(detector(model).detect(pictures()[:1], ["a < b", "{cat}"])) == 1


def test_what_the_model_is(model):
    assert '"num_beams": 3' in model.identity.tokenizer and TASK in model.identity.tokenizer
    assert "transformers_version" not in model.identity.tokenizer


@pytest.mark.filterwarnings("ignore::vlmbench.errors.VlmbenchWarning")
def test_a_checkpoint_without_parser(folder, tmp_path):
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "processor_config.json").read_text())
    del config["post_processor_config"]
    (tmp_path / "processor_config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="do not say how to parse the answers"):
        open_folder(tmp_path)


def test_a_checkpoint_for_the_authors_own_code(folder, tmp_path):
    """Microsoft's repositories name types that only their code knows; the library lists all of its own in its error."""
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    config["text_config"]["model_type"] = "florence2_language"
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="model type 'florence2_language', which transformers") as caught:
        open_folder(tmp_path)
    assert len(str(caught.value)) < 400 and "florence-community/Florence-2-base" in (caught.value.hint or "")


def test_without_a_run_the_remark_is_a_warning(folder):
    with pytest.warns(VlmbenchWarning, match="all scores are 1"):
        open_folder(folder)


def test_cards_state_what_the_family_can_do(model):
    check_cards_of("florence2", "transformers", model)
