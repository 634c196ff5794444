"""Models in memory: which library a module is of, what is around it, and what its identity allows."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import open_clip
import PIL.Image
import pytest
import torch
import toy_adapter
from command_line import command
from data.layouts import image_bytes
from torch import Tensor, nn
from torchvision import transforms

import vlmbench
from vlmbench.cards import ModelCard
from vlmbench.errors import UsageError, VlmbenchWarning
from vlmbench.features.cache.files import features_folder
from vlmbench.models.memory.given import GivenModel, unwrapped
from vlmbench.models.memory.undisturbed import undisturbed
from vlmbench.records import Record
from vlmbench.run.executors import EXECUTORS
from vlmbench.store import ResultStore

NORMAL = transforms.Compose(
    [transforms.Resize((8, 8)), transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.5] * 3)]
)


class Towers(nn.Module):
    """A dual encoder whose methods are named as its author liked."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.image, self.words = nn.Linear(3 * 8 * 8, 6), nn.Embedding(128, 6)
        self.kept: Tensor | None = None

    def see(self, pixels: Tensor) -> Tensor:
        if self.kept is None:
            self.kept = torch.ones(6, device=pixels.device)  # as tables of positions are kept
        return self.image(pixels.flatten(1)) * self.kept.to(pixels.dtype)

    def read(self, tokens: Tensor) -> Tensor:
        return self.words(tokens).mean(dim=1)


class Usual(Towers):
    """The same under the usual names."""

    def encode_image(self, pixels: Tensor) -> Tensor:
        return self.see(pixels)

    def encode_text(self, tokens: Tensor) -> Tensor:
        return self.read(tokens)


def letters(texts: Sequence[str]) -> Tensor:
    return torch.tensor([[ord(letter) % 128 for letter in text[:20].ljust(20)] for text in texts])


def images(count: int = 6) -> vlmbench.api.GivenTask:
    return vlmbench.as_task(
        [image_bytes(i) for i in range(count)], [i % 2 for i in range(count)], classes=["cat", "dog"]
    )


def evaluated(model: Any, **options: Any) -> Record:
    (record,) = vlmbench.evaluate(model, images(), **options)
    return record


def features(given: GivenModel) -> Tensor:
    model: Any = given.load()
    return model.encode_image(model.preprocess(PIL.Image.new("RGB", (9, 9), "red"))[None])


def test_a_module_of_any_library_by_names_or_functions() -> None:
    usual, own = Usual(), Towers()
    by_name = vlmbench.as_model(own, NORMAL, letters, encode_image="see", encode_text="read")
    by_function = vlmbench.as_model(own, NORMAL, letters, encode_image=own.see, encode_text=own.read, name="mine")
    plain = evaluated(vlmbench.as_model(usual, NORMAL, letters))
    assert plain.model.name == "memory:Usual" and plain.model.embedding_dim == 6 and plain.model.logit_scale == 1
    assert evaluated(by_name).metrics == evaluated(by_function).metrics == plain.metrics
    assert evaluated(by_function).model.name == "mine"
    with pytest.raises(UsageError, match="Towers has no method encode_image"):
        vlmbench.as_model(own, NORMAL, letters)
    with pytest.raises(UsageError, match="encode_image is 'look', but Towers has no method of this name"):
        vlmbench.as_model(own, NORMAL, letters, encode_image="look", encode_text="read")


def test_what_the_forward_pass_keeps_can_still_be_trained_with() -> None:
    module = Usual()
    evaluated(vlmbench.as_model(module, NORMAL, letters))
    assert module.kept is not None and not module.kept.is_inference()
    module.encode_image(torch.ones(2, 3, 8, 8)).sum().backward()


def test_features_are_of_the_weights_of_the_moment_and_scaled_in_float32() -> None:
    module = Usual()
    given = vlmbench.as_model(module, NORMAL, letters, logit_scale=30.0, logit_bias=-2.0)
    first = features(given)
    assert first.dtype == torch.float32 and torch.allclose(first.norm(dim=1), torch.ones(1))
    loaded: Any = given.load()
    assert (loaded.logit_scale, loaded.logit_bias) == (30.0, -2.0)
    with torch.no_grad():
        module.image.weight.neg_()
    assert not torch.equal(features(given), first)
    module.logit_scale = nn.Parameter(torch.tensor(2.0))
    assert vlmbench.as_model(module, NORMAL, letters).load().logit_scale == pytest.approx(
        torch.tensor(2.0).exp().item()
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_module_in_16_bits_runs_in_them(dtype: torch.dtype) -> None:
    module = Usual().to(dtype)
    record = evaluated(vlmbench.as_model(module, NORMAL, letters))
    (said,) = [remark for remark in record.remarks if remark.code == "weights-precision"]
    assert str(dtype).removeprefix("torch.") in said.sentence
    assert module.image.weight.dtype == dtype


def test_what_is_around_a_module_is_looked_through() -> None:
    module = Usual()
    averaged = torch.optim.swa_utils.AveragedModel(module)
    compiled: Any = torch.compile(module)
    parallel = nn.DataParallel(module)
    assert unwrapped(compiled) is unwrapped(parallel) is unwrapped(torch.compile(parallel)) is module
    assert type(unwrapped(averaged)) is Usual
    plain = evaluated(vlmbench.as_model(module, NORMAL, letters))
    for around in (averaged, compiled, parallel):
        record = evaluated(vlmbench.as_model(around, NORMAL, letters))
        assert record.metrics == plain.metrics and record.model.weights_sha256 == plain.model.weights_sha256
        assert record.model.name == "memory:Usual"


def test_without_an_identity_neither_cache_nor_an_earlier_record(tmp_path: Path) -> None:
    model = vlmbench.as_model(Usual(), NORMAL, letters, name="m")
    first, second = (evaluated(model, results=tmp_path, strict=True) for _ in range(2))
    assert first.id != second.id and first.metrics == second.metrics
    assert first.model.weights_sha256 == second.model.weights_sha256
    assert len(list(ResultStore(tmp_path))) == 2
    assert (second.run.cache.image_hits, second.run.cache.text_hits) == (0, 0)
    assert not features_folder().exists() or not list(features_folder().iterdir())
    assert [remark.code for remark in first.remarks] == ["no-identity"]


def test_a_stated_identity_allows_both(tmp_path: Path) -> None:
    module = Usual()
    calls = 0

    def counted(pixels: Tensor) -> Tensor:
        nonlocal calls
        calls += len(pixels)
        return module.see(pixels)

    def model(identity: str = "hash") -> GivenModel:
        return vlmbench.as_model(module, NORMAL, letters, encode_image=counted, name="m", identity=identity)

    first = evaluated(model(), results=tmp_path)
    assert first.remarks == () and calls == 6
    assert evaluated(model(), results=tmp_path) == first and calls == 6
    cached = evaluated(model(), results=tmp_path, force=True)
    assert calls == 6 and cached.run.cache.image_hits == 6 and cached.metrics == first.metrics
    assert evaluated(model("version 2"), results=tmp_path).id != first.id
    calls = 0
    with torch.no_grad():
        module.image.weight.neg_()
    changed = evaluated(model(), results=tmp_path)
    assert calls == 6 and changed.id != first.id, "other weights are another model, whatever their identity says"


def test_an_object_with_the_protocol_is_asked_as_it_is(tmp_path: Path) -> None:
    model = toy_adapter.toy()
    by_name = vlmbench.evaluate("toy:toy", images(), device="cpu", results=tmp_path / "named")[0]
    record = evaluated(model)
    assert record.metrics.keys() == by_name.metrics.keys() and record.model.name == "toy"
    assert record.remarks == ()
    both = vlmbench.evaluate([model, "toy:b"], images(), device="cpu")
    assert [each.model.name for each in both] == ["toy", "toy:b"] and both[0].metrics == record.metrics
    with pytest.raises(UsageError, match="two different models are named 'toy'"):
        vlmbench.evaluate([model, toy_adapter.toy()], images())
    with pytest.raises(UsageError, match="names it 'toy', not 'other'"):
        vlmbench.as_model(model, name="other")


def test_a_loaded_model_that_was_trained_since_is_refused() -> None:
    model: Any = vlmbench.load_model("demo-clip", device="cpu")
    assert evaluated(model).model.name == "demo-clip"
    with torch.no_grad():
        model.network.visual.conv1.weight.add_(1)
    with pytest.raises(Exception, match="its weights have changed since it was loaded"):
        evaluated(model)


def test_what_is_no_model_is_refused_with_what_to_do() -> None:
    module = Usual()
    with pytest.raises(UsageError, match="needs a transform and a tokenizer"):
        vlmbench.evaluate(module, images())
    with pytest.raises(UsageError, match="needs a transform"):
        vlmbench.as_model(module, None, letters)
    with pytest.raises(UsageError, match="needs a tokenizer"):
        vlmbench.as_model(module, NORMAL)
    training = transforms.Compose([transforms.RandomResizedCrop(8), transforms.ToTensor()])
    with pytest.raises(UsageError, match=r"the transform is random \(RandomResizedCrop\)"):
        vlmbench.as_model(module, training, letters)
    with pytest.raises(UsageError, match="Usual, a class, is"):
        vlmbench.as_model(Usual, NORMAL, letters)
    with pytest.raises(UsageError, match="a int is neither"):
        vlmbench.evaluate(3, images())  # type: ignore[arg-type]
    with pytest.raises(Exception, match=r"returned shape \(6, 4, 6\), not features"):
        evaluated(
            vlmbench.as_model(module, NORMAL, letters, encode_image=lambda p: module.see(p)[:, None].expand(-1, 4, 6))
        )
    with pytest.raises(Exception, match="the transform returned a PngImageFile for an image"):
        evaluated(vlmbench.as_model(module, lambda image: image, letters))


def test_a_card_made_in_code_is_run() -> None:
    card = ModelCard(name="mine", adapter="toy", spec="a")
    record = evaluated(card, device="cpu")
    assert record.model.name == "mine"
    with pytest.raises(UsageError, match="cannot be run"):
        evaluated(ModelCard(name="x", adapter="none", weights="not public"))


@pytest.mark.parametrize("architecture", ["tiny", "tiny-custom", "tiny-sigmoid", "tiny-coca"])
def test_open_clip_is_as_its_adapter_makes_it(
    architecture: str, open_model: Callable[..., Any], write_weights: Callable[..., Path]
) -> None:
    file = write_weights(architecture, "file.pt")
    loaded = open_model(f"{architecture}/{file}", quick_gelu=False)
    network = open_clip.create_model(architecture, pretrained_text=False)
    network.load_state_dict(torch.load(file, weights_only=True))
    tokenizer = open_clip.get_tokenizer(architecture)
    network.eval()
    given: Any = vlmbench.as_model(network, tokenizer=tokenizer).load()
    image = PIL.Image.open(io.BytesIO(image_bytes(3)))
    mine, theirs = given.preprocess(image), loaded.preprocess(image)
    assert given.capabilities.keys() == loaded.capabilities.keys()
    assert given.identity.weights_sha256 == loaded.identity.weights_sha256
    with undisturbed([network]), torch.inference_mode():
        assert torch.equal(mine, theirs)
        assert torch.equal(given.encode_image(mine[None]), loaded.encode_image(theirs[None]))
        assert torch.equal(given.encode_text(["a cat", "two dogs"]), loaded.encode_text(["a cat", "two dogs"]))
    other: Any = vlmbench.as_model(network, NORMAL, tokenizer).load()
    assert "DenseEncoder" not in other.capabilities
    half: Any = vlmbench.as_model(copy.deepcopy(network).bfloat16(), tokenizer=tokenizer).load()
    close = torch.nn.functional.cosine_similarity(half.encode_image(mine[None]), given.encode_image(mine[None]))
    assert close > 0.99 and half.encode_text(["a cat"]).dtype == torch.float32


def test_a_name_of_a_card_is_warned_of(recwarn: pytest.WarningsRecorder) -> None:
    with pytest.warns(VlmbenchWarning, match="named 'demo-clip', as a model card is"):
        vlmbench.as_model(Usual(), NORMAL, letters, name="demo-clip")
    recwarn.clear()
    vlmbench.as_model(Usual(), NORMAL, letters, name="demo-clip-tuned")
    assert not list(recwarn)


def test_objects_stay_in_this_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(EXECUTORS, "_entries", {**EXECUTORS._entries, "elsewhere": lambda argument: object()})
    for model, task in ((toy_adapter.toy(), "demo-digits"), ("toy:a", images())):
        with pytest.raises(UsageError, match="cannot be sent to the processes of the executor 'elsewhere'"):
            vlmbench.evaluate(model, task, executor="elsewhere")
    done = command("run", "-m", "memory:CLIP", "-t", "demo-digits", "--device", "cpu", "--results", "unused-runs")
    assert done.returncode and "was in the memory of a Python process" in done.stderr


def test_the_peak_of_memory_that_the_caller_may_measure_is_left_alone() -> None:
    assert evaluated(toy_adapter.toy()).run.peak_memory_bytes is None


def test_a_missing_identity_is_a_warning_once_for_a_model_at_the_callers_line() -> None:
    module = Usual()
    with pytest.warns(VlmbenchWarning, match='as_model\\(…, identity="hash"\\)') as caught:
        for _ in range(2):
            vlmbench.evaluate(vlmbench.as_model(module, NORMAL, letters), images())
        vlmbench.evaluate(vlmbench.as_model(Usual(), NORMAL, letters), images())
    said = [warning for warning in caught if "identity" in str(warning.message)]
    assert [warning.filename for warning in said] == [__file__] * 2
