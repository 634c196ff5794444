"""The model cards that ship: the survey's methods, open_clip's pretrained models, transformers' checkpoints."""

from __future__ import annotations

import re
from pathlib import Path

import open_clip
import pytest
import torch
from published_numbers import printed_table

from vlmbench.api import load_model
from vlmbench.cards import ModelCard, parse_card
from vlmbench.catalogue import find_models, model_cards, runnable_models
from vlmbench.errors import CardError, UnknownNameError, UsageError
from vlmbench.models.open_clip.spec import parse_spec
from vlmbench.reports.published import survey_methods

CARDS = {card.name: card for card in model_cards()}
OPEN_CLIP = [card for card in CARDS.values() if card.adapter == "open_clip" and not card.spec.startswith("package:")]


def test_every_method_of_the_survey_s_table_3_has_a_card() -> None:
    methods = [row["card"] for row in survey_methods() if row["table"] == "3"]
    assert len(methods) == 35
    for name in methods:
        assert CARDS[name].objective and CARDS[name].weights, name
    slip = CARDS["slip"]
    assert (slip.objective, slip.image_encoder, slip.data_size) == ("contrastive", "ViT-L", "15M")
    assert (slip.weights, slip.weights_at, slip.runnable) == ("public", "facebookresearch/SLIP", False)
    assert CARDS["fiber"].objective == "contrastive, generative, alignment"
    assert CARDS["clippo"].framework == "one-tower"


def test_cards_have_table_3_s_columns_and_the_encoders_of_the_tables_of_results() -> None:
    words = {"Con": "contrastive", "Gen": "generative", "Align": "alignment"}
    results = {row["method"].lower(): row for number in (8, 7, 6) for row in reversed(printed_table(number))}
    methods = [row for row in survey_methods() if row["table"] == "3"]
    assert len(methods) == 35
    for row in methods:
        card = CARDS[row["card"]]
        assert card.name == row["method"].lower().replace(" ", "-")
        assert card.objective == ", ".join(words[part] for part in row["objective"].split(", ")), card.name
        assert (card.framework or "") == row["framework"], card.name
        printed = row["data"].replace("YMCC100M", "YFCC100M").replace("*", " (not public)")
        assert (card.training_data or "") == printed, card.name
        best = results.get(row["method"].lower(), {})
        assert card.title == best.get("method", row["method"]), card.name
        columns = (card.image_encoder or "", card.text_encoder or "", card.data_size or "")
        assert columns == (
            best.get("image_encoder", "").replace("ViTB/16", "ViT-B/16"),
            best.get("text_encoder", ""),
            best.get("data_size", ""),
        ), card.name
        assert card.runnable or card.weights, card.name


def test_weights_that_their_authors_publish_are_not_called_reproductions() -> None:
    reproductions = {card.name for card in CARDS.values() if card.weights == "reproduction"}
    assert reproductions == {"align", "coca", "clippy"}
    assert CARDS["fiber"].weights == CARDS["lit"].weights == "public"
    licences = {CARDS[name].licence for name in ("siglip-vit-b-16-webli", "clipa-vit-h-14-336-laion2b")}
    assert licences == {"Apache-2.0"} and CARDS["eva02-b-16-merged2b-s8b-b131k"].licence == "MIT"


def test_cards_name_only_cards_that_exist() -> None:
    for card in CARDS.values():
        assert card.method is None or card.method in CARDS, card.name
        assert all(CARDS[name].runnable for name in card.models), card.name


@pytest.mark.parametrize("card", OPEN_CLIP, ids=lambda card: card.name)
def test_an_open_clip_card_says_what_open_clip_has(card: ModelCard) -> None:
    source = parse_spec(card.spec)
    assert source.tag, f"{card.spec} is no tag of open_clip"
    config = open_clip.get_model_config(source.name)
    assert (card.image_size, card.embedding_dim) == (config["vision_cfg"]["image_size"], config["embed_dim"])
    quickgelu = open_clip.get_pretrained_cfg(source.name, source.tag).get("quick_gelu", False)
    twin = f"{source.name.removesuffix('-quickgelu')}-quickgelu"
    if quickgelu and source.tag != "openai" and source.tag in open_clip.list_pretrained_tags_by_model(twin):
        assert source.name == twin, "its weights are QuickGELU's"


def test_open_clip_cards_of_one_architecture_agree_in_all_that_it_decides() -> None:
    decided: dict[str, set[tuple[object, ...]]] = {}
    for card in OPEN_CLIP:
        tower = (card.image_encoder, card.text_encoder, card.image_size, card.embedding_dim)
        plain = str(card.architecture).removesuffix("-quickgelu")
        decided.setdefault(plain, set()).add((*tower, card.parameters, card.gflops, card.framework, card.objective))
    assert len(decided) > 40 and all(len(found) == 1 for found in decided.values())


@pytest.mark.parametrize("card", OPEN_CLIP, ids=lambda card: card.name)
def test_an_open_clip_card_s_name_and_training_are_those_of_its_tag(card: ModelCard) -> None:
    architecture, tag = card.spec.split("/")
    assert card.architecture == architecture
    words = re.split(r"[^a-z0-9]+", f"{architecture.removesuffix('-quickgelu')}-{tag}".lower())
    families = ["clip", "siglip", "clipa", "coca", "nllb", "eva01", "eva02"]
    assert sorted({*card.name.split("-"), *families}) == sorted({*words, *families}), card.name
    assert card.name.split("-")[0] in families and str(card.title).endswith(f", {tag}")
    seen = re.search(r"_s(\d+[bm])(_|$)", tag)
    assert card.samples_seen == (seen[1].upper() if seen else None)


@pytest.mark.parametrize("name", ["clip-vit-b-32-openai", "clip-rn50-openai", "clip-vit-b-16-plus-240-laion400m-e32"])
def test_parameters_are_those_of_the_network(name: str) -> None:
    config = open_clip.get_model_config(parse_spec(CARDS[name].spec).name)
    with torch.device("meta"):
        network = open_clip.CLIP(**config)
    counted = sum(parameter.numel() for parameter in network.parameters())
    assert CARDS[name].parameters == round(counted / 1e4) * 10**4


def test_enough_of_open_clip_is_listed_with_what_tables_show() -> None:
    assert len(OPEN_CLIP) > 80
    for card in OPEN_CLIP:
        assert card.parameters and card.gflops and card.image_encoder and card.text_encoder and card.training_data
    sizes = {card.name: (card.data_size, card.samples_seen) for card in OPEN_CLIP}
    assert sizes["clip-vit-b-32-laion2b-s34b-b79k"] == ("2B", "34B")
    assert sizes["clip-vit-b-16-datacomp-l-s1b-b8k"] == ("140M", "1B")
    assert sizes["clip-vit-b-32-laion400m-e32"] == ("400M", None)


def test_a_card_without_an_adapter_is_refused_with_reason_and_remedy() -> None:
    with pytest.raises(UsageError, match="'filip' cannot be run: its weights are not public") as refused:
        runnable_models("filip")
    assert refused.value.hint and "published numbers" in refused.value.hint
    with pytest.raises(UsageError, match="'clip' cannot be run: it is a family") as refused:
        load_model("clip")
    assert refused.value.hint and "clip-vit-b-32-openai" in refused.value.hint
    assert find_models("filip")[0].name == "filip", "it can still be shown"


def test_patterns_pass_over_what_cannot_run() -> None:
    found = [card.name for card in runnable_models("*clip*")]
    assert "clip-vit-b-32-openai" in found and "groupvit" not in found and not {"clip", "declip", "filip"} & set(found)
    with pytest.raises(UsageError, match="'filip' cannot be run"):
        runnable_models("fil*")
    with pytest.raises(UnknownNameError):
        runnable_models("zzz*")


def test_a_card_without_an_adapter_says_whether_there_are_weights(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="must say in `weights` whether its weights are public"):
        parse_card(ModelCard, {"name": "x", "adapter": "none"}, where="x.yaml")
    with pytest.raises(CardError, match="weights"):
        parse_card(ModelCard, {"name": "x", "adapter": "none", "weights": "maybe"}, where="x.yaml")
