"""Retrieval: ranks against a literal sort, CLIP_benchmark's recall, hand-worked answers, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from retrieval_ranks import literal_ranks
from said import remarked
from toy_adapter import toy

import vlmbench.tasks.retrieval.ranks as ranks_module
from vlmbench.cards import SourceSpec, TaskCard, make_task
from vlmbench.data.base import ImageDataset, SourceContext
from vlmbench.data.open import open_dataset
from vlmbench.errors import CardError, UnknownNameError, UsageError
from vlmbench.features.engine import EngineSettings, FeatureEngine
from vlmbench.tasks.base import Outcome, TaskOptions, check_known_metrics
from vlmbench.tasks.retrieval.both_ways import both_ways
from vlmbench.tasks.retrieval.measures import MEASURES, Found, metric_values
from vlmbench.tasks.retrieval.plugin import PLUGIN
from vlmbench.tasks.retrieval.ranks import rank
from vlmbench.testing.toy_models import ToyModel


def unit(rows: int, seed: int, dim: int = 8) -> torch.Tensor:
    return F.normalize(torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed)), dim=-1)


@given(st.integers(0, 10_000), st.lists(st.integers(1, 6), min_size=1, max_size=30))
@settings(max_examples=50, deadline=None)
def test_ranks_are_those_of_a_literal_sort_whatever_the_block(seed: int, counts: list[int]) -> None:
    spans = np.concatenate([[0], np.cumsum(counts)])
    captions = [f"caption {index % 7}" for index in range(spans[-1])]  # many are equal
    by_text = {text: unit(1, seed + 1 + index)[0] for index, text in enumerate(dict.fromkeys(captions))}
    images, texts = unit(len(counts), seed), torch.stack([by_text[text] for text in captions])
    names = [str(image) for image in range(len(counts))]
    own = [range(spans[i], spans[i + 1]) for i in range(len(counts))]
    owner = np.repeat(np.arange(len(counts)), counts)
    scores = (images @ torch.stack(list(by_text.values())).T).numpy()[:, [int(c.split()[1]) for c in captions]]
    with pytest.MonkeyPatch.context() as patch:
        for block in (1, 3 * len(captions), 2**24):
            patch.setattr(ranks_module, "BLOCK_SCORES", block)
            by_image, by_caption = both_ways(images, texts, names, captions, spans.tolist(), "cpu")
            assert by_image.ranks.tolist() == literal_ranks(scores, own)
            for position, place in enumerate(by_caption.ranks):
                row = (texts[position] @ images.T).numpy()
                higher = (row > row[owner[position]] + 1e-6).sum()
                close = (row >= row[owner[position]] - 1e-6).sum()
                assert 1 + higher <= place <= close


def test_recall_is_clip_benchmarks_on_scores_without_ties() -> None:
    """clip_benchmark/metrics/zeroshot_retrieval.py: any of an image's captions among the k best of torch.topk."""
    counts = [5, 4, 6, 5, 5] * 8
    spans = np.concatenate([[0], np.cumsum(counts)])
    images, texts = unit(len(counts), 1, 16), unit(int(spans[-1]), 2, 16)
    owner = torch.tensor(np.repeat(np.arange(len(counts)), counts))
    names = [str(image) for image in range(len(counts))]
    by_image, by_caption = both_ways(images, texts, names, [str(i) for i in range(len(texts))], spans.tolist(), "cpu")
    found = Found(by_image.ranks, by_caption.ranks, owner.numpy())
    values = metric_values(list(MEASURES), found, 0)
    scores = texts @ images.T
    for k in (1, 5, 10):
        text_to_image = (scores.topk(k, dim=1).indices == owner[:, None]).any(dim=1).float().mean()
        image_to_text = (owner[scores.T.topk(k, dim=1).indices] == torch.arange(len(images))[:, None]).any(dim=1)
        assert values[f"text_to_image_recall@{k}"].value == pytest.approx(float(text_to_image))
        assert values[f"image_to_text_recall@{k}"].value == pytest.approx(float(image_to_text.float().mean()))
    assert by_caption.top.tolist() == scores.topk(5, dim=1).indices.tolist()


def test_a_model_that_scores_everything_alike_finds_nothing() -> None:
    same = torch.ones(6, 1)
    found = rank(same, same, torch.arange(6), torch.arange(6) + 1)
    assert found.ranks.tolist() == [6] * 6
    equal_captions = rank(same[:2], same[:1], torch.tensor([0, 1]), torch.tensor([1, 2]), columns=torch.tensor([0, 0]))
    assert equal_captions.ranks.tolist() == [2, 2]


def test_copies_of_an_image_count_against_the_model_whatever_the_batch() -> None:
    """Their features may differ in the last bit; their content does not."""
    images = unit(10, 1)[[*range(10), *range(10)]] * (1 + 1e-7 * torch.randn(20, 1))
    contents, captions = [str(image % 10) for image in range(20)], [f"caption {image}" for image in range(20)]
    _, by_caption = both_ways(images, unit(20, 2), contents, captions, list(range(21)), "cpu")
    assert by_caption.ranks.min() == 2, "the copy of a caption's image is never below it"


def test_chance_is_what_random_orders_give() -> None:
    counts = np.array([1, 3, 5, 2, 5, 4])
    owner = np.repeat(np.arange(6), counts)
    random = np.random.default_rng(0)
    every = np.ones(6, dtype=int), np.ones(len(owner), dtype=int)
    known = [name for name, measure in MEASURES.items() if measure.chance(Found(*every, owner)) is not None]
    drawn: dict[str, list[float]] = {name: [] for name in known if "median" not in name}
    assert len(drawn) > 4
    for _ in range(5000):
        position = np.empty(len(owner), dtype=int)
        position[random.permutation(len(owner))] = np.arange(len(owner))
        of_images = np.empty(6, dtype=int)
        for image in range(6):
            row = random.permutation(len(owner))
            of_images[image] = 1 + min(np.flatnonzero(owner[row] == image))
        of_captions = 1 + random.integers(0, 6, len(owner))
        found = Found(of_images, of_captions, owner)
        for name, values in drawn.items():
            values.append(float(_value(name, found)))
    for name, values in drawn.items():
        assert np.mean(values) == pytest.approx(MEASURES[name].chance(found), rel=0.06), name


def _value(name: str, found: Found) -> float:
    """The metrics' plain values; their bootstrap would take minutes here."""
    k = int(name.partition("@")[2] or 0)
    image_to_text, text_to_image = (found.image_ranks <= k).mean(), (found.caption_ranks <= k).mean()
    return {
        f"mean_recall@{k}": (image_to_text + text_to_image) / 2,
        f"image_to_text_recall@{k}": image_to_text,
        f"text_to_image_recall@{k}": text_to_image,
        "image_to_text_mean_rank": found.image_ranks.mean(),
        "text_to_image_mean_rank": found.caption_ranks.mean(),
    }[name]


CAPTIONS = {"a.png": ("ab", "bc", "aab"), "b.png": ("xyz",), "c.png": ("hello there", "xyz"), "d.png": ("!!", "?")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for name in CAPTIONS:
        PIL.Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(tmp_path / name)
    lines = [f"{name},{caption}" for name, captions in CAPTIONS.items() for caption in captions]
    (tmp_path / "captions.txt").write_text("image,caption\n" + "\n".join(lines) + "\n")
    return tmp_path


def card_of(folder: Path, **fields: object) -> TaskCard:
    source = SourceSpec(kind="captions", location=str(folder))
    return TaskCard.model_validate({"name": "t", "plugin": "retrieval", "sources": [source], **fields})


def dataset_of(card: TaskCard) -> ImageDataset:
    return open_dataset(card.sources, SourceContext(target="captions"))


def answer(
    card: TaskCard, options: TaskOptions | None = None, model: ToyModel | None = None, *, skip_bad: bool = False
) -> Outcome:
    engine = FeatureEngine(model or toy(), EngineSettings(batch_size=3, skip_bad=skip_bad))
    return PLUGIN.ask(card, {"test": dataset_of(card)}, options or TaskOptions()).answer(engine)


def test_an_answer_is_that_of_the_models_own_forward_pass(folder: Path) -> None:
    model, names = toy(), list(CAPTIONS)
    flat = [caption for captions in CAPTIONS.values() for caption in captions]
    owner = [image for image, captions in enumerate(CAPTIONS.values()) for _ in captions]
    pixels = torch.stack([model.preprocess(PIL.Image.open(folder / name)) for name in names])
    scores = (model.encode_image(pixels) @ model.encode_text(flat).T).numpy()
    own = [[place for place, image in enumerate(owner) if image == row] for row in range(len(names))]
    of_images, of_captions = literal_ranks(scores, own), literal_ranks(scores.T, [[image] for image in owner])

    outcome = answer(card_of(folder))
    table = outcome.predictions.to_pydict()
    assert table["sample"] == names
    assert table["captions"] == [list(captions) for captions in CAPTIONS.values()]
    assert table["image_to_text_rank"] == of_images
    assert [place for row in table["text_to_image_ranks"] for place in row] == of_captions
    assert [row[0] for row in table["top_captions"]] == [flat[place] for place in scores.argmax(axis=1)]
    assert [image for row in table["top_image"] for image in row] == [names[i] for i in scores.argmax(axis=0)]
    assert outcome.metrics["text_to_image_mean_rank"].value == pytest.approx(np.mean(of_captions))
    assert outcome.metrics["text_to_image_recall@1"].n == len(flat)
    assert set(outcome.contents) == {0, 1, 2, 3} and not outcome.per_class


def test_a_template_goes_around_each_caption(folder: Path) -> None:
    class Listening(ToyModel):
        def encode_text(self, texts: Sequence[str]) -> torch.Tensor:
            heard.extend(texts)
            return super().encode_text(texts)

    heard: list[str] = []
    model = Listening(toy().card, seed=1)
    answer(card_of(folder, protocol={"template": "a photo of {}"}), model=model)
    assert set(heard) == {f"a photo of {caption}" for captions in CAPTIONS.values() for caption in captions}
    heard.clear()
    answer(card_of(folder, protocol={"template": "a photo of {}"}), TaskOptions(protocol={"template": "{c}!"}), model)
    assert "hello there!" in heard and len(heard) == len(set(heard)), "each distinct text once"
    card = card_of(folder)
    questions = [
        PLUGIN.ask(card, {"test": dataset_of(card)}, TaskOptions(protocol=protocol))
        for protocol in ({}, {"template": "{c}!"})
    ]
    assert questions[0].prompts_sha256 != questions[1].prompts_sha256
    assert questions[1].protocol(toy())["template"] == "{c}!"


def test_only_the_first_captions_may_count(folder: Path) -> None:
    outcome, said = remarked(lambda: answer(card_of(folder, protocol={"captions_per_image": 2})))
    assert outcome.predictions["captions"].to_pylist() == [["ab", "bc"], ["xyz"], ["hello there", "xyz"], ["!!", "?"]]
    assert [remark.sentence for remark in said] == ["1 of 4 images has fewer than 2 captions: b.png"]
    assert outcome.metrics["text_to_image_recall@1"].n == 7


def test_a_subset_keeps_its_own_captions_and_a_bad_image_takes_its_with_it(folder: Path) -> None:
    outcome = answer(card_of(folder), TaskOptions(limit=2, seed=1))
    assert outcome.predictions.num_rows == 2
    assert all(row["captions"] == list(CAPTIONS[row["sample"]]) for row in outcome.predictions.to_pylist())
    (folder / "c.png").write_bytes(b"broken")
    outcome = answer(card_of(folder), skip_bad=True)
    assert outcome.predictions["sample"].to_pylist() == ["a.png", "b.png", "d.png"]
    assert outcome.metrics["text_to_image_recall@1"].n == 6


def test_captions_are_part_of_the_datas_fingerprint(folder: Path) -> None:
    from vlmbench.run.fingerprint_index import FingerprintIndex

    def found() -> str:
        dataset = dataset_of(card_of(folder))
        return FingerprintIndex(None).get(dataset, range(4), frozenset())

    before = found()
    text = (folder / "captions.txt").read_text()
    (folder / "captions.txt").write_text(text.replace("hello there", "hello Thera"))
    assert found() != before
    (folder / "captions.txt").write_text(text)
    assert found() == before


def test_metrics_are_the_kinds_own_where_a_card_names_none() -> None:
    card = make_task("captions:x", "retrieval", SourceSpec(kind="captions", location="x"))
    assert card.main_metric == "mean_recall@1"
    check_known_metrics(card.metrics, MEASURES, where="t")
    assert (
        make_task("imagefolder:x", "classification", SourceSpec(kind="imagefolder", location="x")).main_metric == "acc1"
    )


def test_what_makes_no_sense_is_refused_before_any_work(folder: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown metric 'recall@1'[\s\S]*mean_recall@1"):
        PLUGIN.check(card_of(folder, metrics=["recall@1"]), TaskOptions())
    with pytest.raises(CardError, match="retrieval has no classes"):
        PLUGIN.check(card_of(folder, classes=["a"]), TaskOptions())
    with pytest.raises(CardError, match=r"protocol: captions_per_image: .* greater than or equal to 1"):
        PLUGIN.check(card_of(folder, protocol={"captions_per_image": 0}), TaskOptions())
    with pytest.raises(CardError, match="protocol: readout: Extra inputs are not permitted"):
        PLUGIN.check(card_of(folder, protocol={"readout": "x"}), TaskOptions())
    with pytest.raises(UsageError, match=r"template: .* has no place"):
        PLUGIN.check(card_of(folder), TaskOptions(protocol={"template": "a"}))
