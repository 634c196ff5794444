"""FILIP against its formulas, written out in float64 from the authors' names of the weights; and wrong files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import PIL.Image
import pytest
import torch
from said import sentences

from vlmbench.cards import ModelCard, TaskCard
from vlmbench.data.formats.pixels import decode_rgb
from vlmbench.errors import ModelError
from vlmbench.features.engine import EngineSettings, FeatureEngine
from vlmbench.features.vectors.similarity import similarities
from vlmbench.models.base import LoadOptions
from vlmbench.models.filip.adapter import FilipModel, load
from vlmbench.models.filip.weights import filip_weights
from vlmbench.tasks.base import TaskOptions
from vlmbench.tasks.classification.plugin import PLUGIN
from vlmbench.testing import check_model, toy_dataset

WIDTH, TEXT_WIDTH, EMBED, DENSE = 128, 64, 24, 10
LAYERS, SIDE, PATCH, LENGTH = 2, 32, 16, 77
TEXTS = ["a photo of a cat", "DOG &amp; bone", "", "wide " * 90]
State = dict[str, torch.Tensor]


def block(prefix: str, width: int) -> dict[str, tuple[int, ...]]:
    return {
        f"{prefix}.ln_1.weight": (width,),
        f"{prefix}.ln_1.bias": (width,),
        f"{prefix}.ln_2.weight": (width,),
        f"{prefix}.ln_2.bias": (width,),
        f"{prefix}.attn.in_proj_weight": (3 * width, width),
        f"{prefix}.attn.in_proj_bias": (3 * width,),
        f"{prefix}.attn.out_proj.weight": (width, width),
        f"{prefix}.attn.out_proj.bias": (width,),
        f"{prefix}.mlp.c_fc.weight": (4 * width, width),
        f"{prefix}.mlp.c_fc.bias": (4 * width,),
        f"{prefix}.mlp.c_proj.weight": (width, 4 * width),
        f"{prefix}.mlp.c_proj.bias": (width,),
    }


def weights(seed: int = 0) -> State:
    """A state dict with the names that the authors' classes give, and no parameter at 0 or 1."""
    shapes: dict[str, tuple[int, ...]] = {
        "logit_scale": (1,),
        "logit_scale_dense": (),
        "visual.class_embedding": (WIDTH,),
        "visual.positional_embedding": ((SIDE // PATCH) ** 2 + 1, WIDTH),
        "visual.proj": (WIDTH, EMBED),
        "visual.conv1.weight": (WIDTH, 3, PATCH, PATCH),
        "encode_text.positional_embedding": (LENGTH, TEXT_WIDTH),
        "encode_text.token_embedding.weight": (49409, TEXT_WIDTH),
        "encode_text.text_projection.weight": (EMBED, TEXT_WIDTH),
        "encode_text.text_projection.bias": (EMBED,),
        "image_mapping.weight": (DENSE, WIDTH),
        "image_mapping.bias": (DENSE,),
        "text_mapping.weight": (DENSE, TEXT_WIDTH),
        "text_mapping.bias": (DENSE,),
        "text_label_predictor.weight": (49, TEXT_WIDTH),
        "text_label_predictor.bias": (49,),
    }
    for name, width in (("visual.ln_pre", WIDTH), ("visual.ln_post", WIDTH), ("encode_text.ln_final", TEXT_WIDTH)):
        shapes |= {f"{name}.weight": (width,), f"{name}.bias": (width,)}
    for layer in range(LAYERS):
        shapes |= block(f"visual.transformer.resblocks.{layer}", WIDTH)
        shapes |= block(f"encode_text.transformer.resblocks.{layer}", TEXT_WIDTH)
    generator = torch.Generator().manual_seed(seed)
    return {name: 0.2 * torch.randn(shape, generator=generator) + 0.02 for name, shape in shapes.items()}


@pytest.fixture(scope="module")
def state() -> State:
    return weights()


@pytest.fixture(scope="module")
def file(state: State, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the authors' solver saves it: the data-parallel model's state beside the optimizer's."""
    path = tmp_path_factory.mktemp("filip") / "filip.pt"
    content = {"model": {f"module.{name}": value for name, value in state.items()}, "optimizer": {}, "last_iter": 3}
    torch.save(content, path)
    return path


def opened(file: Path, **options: Any) -> FilipModel:
    return load(ModelCard(name="filip", adapter="filip", spec=str(file), options=options), LoadOptions())


@pytest.fixture(scope="module")
def model(file: Path) -> FilipModel:
    return opened(file)


# The formulas, in float64.


def norm(x: np.ndarray, state: dict[str, np.ndarray], name: str) -> np.ndarray:
    centred = x - x.mean(axis=-1, keepdims=True)
    return (
        centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5) * state[f"{name}.weight"]
        + state[f"{name}.bias"]
    )


def attention(x: np.ndarray, state: dict[str, np.ndarray], name: str, *, causal: bool) -> np.ndarray:
    length, width = x.shape
    queries, keys, values = np.split(x @ state[f"{name}.in_proj_weight"].T + state[f"{name}.in_proj_bias"], 3, axis=1)
    out = np.zeros_like(x)
    for start in range(0, width, 64):
        head = slice(start, start + 64)
        for place in range(length):
            seen = place + 1 if causal else length
            scores = keys[:seen, head] @ queries[place, head] / 8.0
            shares = np.exp(scores - scores.max())
            out[place, head] = (shares / shares.sum()) @ values[:seen, head]
    return out @ state[f"{name}.out_proj.weight"].T + state[f"{name}.out_proj.bias"]


def tower(x: np.ndarray, state: dict[str, np.ndarray], name: str, *, causal: bool) -> np.ndarray:
    for layer in range(LAYERS):
        own = f"{name}.transformer.resblocks.{layer}"
        x = x + attention(norm(x, state, f"{own}.ln_1"), state, f"{own}.attn", causal=causal)
        wide = norm(x, state, f"{own}.ln_2") @ state[f"{own}.mlp.c_fc.weight"].T + state[f"{own}.mlp.c_fc.bias"]
        wide = wide / (1 + np.exp(-1.702 * wide))
        x = x + wide @ state[f"{own}.mlp.c_proj.weight"].T + state[f"{own}.mlp.c_proj.bias"]
    return x


def literal_image(pixels: np.ndarray, state: dict[str, np.ndarray]) -> np.ndarray:
    """(3, H, W) to (K, D): each patch of the last block, mapped; no norm after the tower."""
    patches = [
        (state["visual.conv1.weight"] * pixels[None, :, y : y + PATCH, x : x + PATCH]).sum(axis=(1, 2, 3))
        for y in range(0, SIDE, PATCH)
        for x in range(0, SIDE, PATCH)
    ]
    x = np.stack([state["visual.class_embedding"], *patches]) + state["visual.positional_embedding"]
    x = tower(norm(x, state, "visual.ln_pre"), state, "visual", causal=False)[1:]
    mapped = x @ state["image_mapping.weight"].T + state["image_mapping.bias"]
    return mapped / np.linalg.norm(mapped, axis=1, keepdims=True)


def authors_ids(text: str) -> np.ndarray:
    """Their numbers of tokens: <|mask|> stands before the start and the end, and 0 fills the rest."""
    ids = [49407, *open_clip.SimpleTokenizer().encode(text), 49408]
    if len(ids) > LENGTH:
        ids = [*ids[: LENGTH - 1], 49408]
    return np.array(ids + [0] * (LENGTH - len(ids)))


def literal_text(text: str, state: dict[str, np.ndarray]) -> np.ndarray:
    x = state["encode_text.token_embedding.weight"][authors_ids(text)] + state["encode_text.positional_embedding"]
    x = norm(tower(x, state, "encode_text", causal=True), state, "encode_text.ln_final")
    mapped = x @ state["text_mapping.weight"].T + state["text_mapping.bias"]
    return mapped / np.linalg.norm(mapped, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def exact(state: State) -> dict[str, np.ndarray]:
    return {name: value.double().numpy() for name, value in state.items()}


def picture(seed: int, width: int = 60, height: int = 40) -> PIL.Image.Image:
    return PIL.Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def test_vectors_and_similarities_are_those_of_the_formulas(model: FilipModel, exact: dict[str, np.ndarray]) -> None:
    pixels = torch.stack([model.preprocess(picture(seed)) for seed in range(3)])
    with torch.inference_mode():
        images, texts = model.encode_image_vectors(pixels), model.encode_text_vectors(TEXTS)
    mine = [literal_image(each.double().numpy(), exact) for each in pixels]
    others = [literal_text(text, exact) for text in TEXTS]
    assert images.shape == (3, 4, DENSE) and texts.shape == (4, 77, DENSE)
    assert np.abs(images.numpy() - np.stack(mine)).max() < 1e-5
    assert np.abs(texts.numpy() - np.stack(others)).max() < 1e-5
    found = similarities(images, texts, model.similarity)
    for i, image in enumerate(mine):
        for t, text in enumerate(others):
            assert abs(float(found.to_texts[i, t]) - (image @ text.T).max(axis=1).mean()) < 1e-5
            assert abs(float(found.to_images[i, t]) - (image @ text.T).max(axis=0).mean()) < 1e-5


def test_answers_of_an_ensemble_are_those_of_the_authors_evaluation(
    model: FilipModel, exact: dict[str, np.ndarray]
) -> None:
    """filip_solver.evaluate: prompts are averaged place by place and divided by the norm of all places."""
    data, templates = toy_dataset(samples=6), ("a {}", "one photo of the {}.")
    card = TaskCard.model_validate(
        {
            "name": "t",
            "plugin": "classification",
            "sources": [{"kind": "imagefolder", "location": "x"}],
            "metrics": ["acc1", "roc_auc"],
            "main_metric": "acc1",
        }
    )
    question = PLUGIN.ask(card, {"test": data}, TaskOptions(templates=templates))
    outcome = question.answer(FeatureEngine(model, EngineSettings(batch_size=4)))
    scores = np.array(outcome.predictions["scores"].to_pylist())
    heads = []
    for name in data.classes or ():
        mean = sum(literal_text(template.format(name), exact) for template in templates) / len(templates)
        heads.append(mean / np.linalg.norm(mean))
    for row, index in enumerate(range(6)):
        image = decode_rgb(data.read(index), "x").image
        vectors = literal_image(model.preprocess(image).double().numpy(), exact)
        authors = np.array([(vectors @ head.T).max(axis=1).mean() for head in heads])
        assert np.abs(scores[row] - authors * 77**0.5).max() < 1e-5, "only a constant factor is ours"


def test_the_transform_is_the_authors(model: FilipModel) -> None:
    from torchvision import transforms

    whole = transforms.Compose(
        [
            transforms.Resize(37),  # 256 / 224 of 32
            transforms.CenterCrop(32),
            transforms.ToTensor(),
            transforms.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
        ]
    )
    assert torch.equal(model.preprocess(picture(1)), whole(picture(1)))


def test_it_keeps_every_promise_and_reads_77_tokens(file: Path) -> None:
    model = opened(file)
    kept = check_model(ModelCard(name="filip", adapter="filip", spec=str(file)), any_mode=True).kept
    assert any("encode_text_vectors" in promise for promise in kept)
    assert model.logit_scale == pytest.approx(float(torch.exp(weights()["logit_scale_dense"])))
    reader: Any = model.capabilities["TokenReader"]
    assert reader.context_length == 77
    assert not sentences(lambda: opened(file))


def same(one: tuple[Any, State], other: tuple[Any, State]) -> bool:
    equal = one[0] == other[0] and one[1].keys() == other[1].keys()
    return equal and all(torch.equal(value, other[1][name]) for name, value in one[1].items())


def test_files_of_every_layout_are_the_same_weights(state: State, file: Path, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    torch.save(state, tmp_path / "bare.pt")
    save_file({name: value.contiguous() for name, value in state.items()}, tmp_path / "bare.safetensors")
    torch.save({"model": state, "ema": weights(1)}, tmp_path / "two.pt")
    sizes, expected = filip_weights(file, None)
    for name in ("bare.pt", "bare.safetensors"):
        assert same(filip_weights(tmp_path / name, None), (sizes, expected))
    with pytest.raises(ModelError, match="2 sets of FILIP's weights") as caught:
        filip_weights(tmp_path / "two.pt", None)
    assert "model" in str(caught.value.hint) and "ema" in str(caught.value.hint)
    assert same(filip_weights(tmp_path / "two.pt", "model"), (sizes, expected))
    assert not same(filip_weights(tmp_path / "two.pt", "ema"), (sizes, expected))
    with pytest.raises(ModelError, match="no weights of FILIP under 'optimizer'"):
        opened(tmp_path / "two.pt", state_dict="optimizer")


def without(*prefixes: str) -> Callable[[State], State]:
    return lambda state: {name: value for name, value in state.items() if not name.startswith(prefixes)}


WRONG: dict[str, tuple[Callable[[State], State], str]] = {
    "no dense maps": (without("image_mapping", "text_mapping"), r"there is no image_mapping\.weight"),
    "a tower's layer": (
        without("visual.transformer.resblocks.1.mlp"),
        r"4 weights of the model's weights are missing: visual\.transformer\.resblocks\.1\.mlp\.c_fc\.bias",
    ),
    "one bias": (without("text_mapping.bias"), r"1 weight of the model's weights is missing: text_mapping\.bias"),
    "DeFILIP": (
        lambda state: {**state, "projector.linear1.weight": torch.ones(2, 2)},
        r"1 weight has no place in the model: projector\.linear1\.weight",
    ),
    "CLIP's vocabulary": (
        lambda state: {**state, "encode_text.token_embedding.weight": torch.ones(49408, TEXT_WIDTH)},
        "its vocabulary has 49,408 tokens, and the authors' has 49,409",
    ),
    "another shape": (
        lambda state: {**state, "text_mapping.weight": torch.ones(DENSE + 1, TEXT_WIDTH)},
        r"1 weight has another shape than in the model: text_mapping\.weight",
    ),
    "NaN": (
        lambda state: {**state, "image_mapping.bias": torch.full((DENSE,), float("nan"))},
        r"1 weight holds NaN or infinity: image_mapping\.bias",
    ),
    **{
        f"{name} of one number": (
            lambda state, name=name: {**state, name: torch.ones(())},
            rf"{name.replace('.', '[.]')} has not the shape that FILIP's has",
        )
        for name in ("visual.proj", "encode_text.positional_embedding", "image_mapping.weight")
    },
    "three scales": (
        lambda state: {**state, "logit_scale_dense": torch.ones(3)},
        "logit_scale_dense or visual.conv1.weight has not the shape",
    ),
    "an endless scale": (
        lambda state: {**state, "logit_scale_dense": torch.tensor(100.0)},
        "1 weight holds NaN or infinity: logit_scale_dense",
    ),
    "no positions": (without("visual.positional"), "lacks weights of FILIP's towers"),
    "five patches": (
        lambda state: {**state, "visual.positional_embedding": torch.ones(6, WIDTH)},
        "with 5 patches are not FILIP's",
    ),
    "nothing": (lambda _: {}, "does not hold the weights of FILIP"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_file_is_one_clear_message(what: str, state: State, tmp_path: Path) -> None:
    change, message = WRONG[what]
    torch.save(change(state), tmp_path / "wrong.pt")
    with pytest.raises(ModelError, match=message):
        opened(tmp_path / "wrong.pt")


def test_a_missing_file_and_an_unknown_option_are_clear(tmp_path: Path, file: Path) -> None:
    with pytest.raises(ModelError, match="no checkpoint file at"):
        opened(tmp_path / "none.pt")
    with pytest.raises(ModelError, match="no option 'top_k'"):
        opened(file, top_k=16)
