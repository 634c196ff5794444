"""Features of chosen images, kept in the engine's memory; and what is not learnt from."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from small_pictures import pictures
from toy_adapter import FlawedToy, toy

from vlmbench.data.base import Chosen, Sample
from vlmbench.errors import DataError, NonFiniteFeaturesError, TransferError
from vlmbench.features.engine import FeatureEngine
from vlmbench.features.settings import EngineSettings
from vlmbench.prompts import PromptSet
from vlmbench.transfer.base import FewShot
from vlmbench.transfer.encoded import encoded, labels_of
from vlmbench.transfer.features import feature_data

DATA = pictures({"cat": range(4), "dog": range(4, 8)})
PROMPTS = PromptSet(("cat", "dog"), ("a photo of a {}.", "{}"), "data", "default")


def engine_of(model: FlawedToy, *, skip_bad: bool = False) -> FeatureEngine:
    return FeatureEngine(model, EngineSettings(batch_size=3, skip_bad=skip_bad))


def test_images_are_encoded_once_in_the_order_that_was_asked() -> None:
    model = toy()
    engine = engine_of(model)
    chosen = Chosen(DATA, [5, 0, 3])
    found = encoded(engine, chosen)
    assert found.indices == [5, 0, 3] and found.views.shape == (1, 3, 16) and model.image_calls == 3
    again = encoded(FeatureEngine(model, engine.settings, memory=engine.memory), chosen)
    assert again is found and model.image_calls == 3
    alone = torch.cat([encoded(engine, Chosen(DATA, [index])).features for index in (5, 0, 3)])
    assert (alone - found.features).abs().max() < 1e-6
    (batch,) = found.batches()
    assert list(batch.indices) == [5, 0, 3] and batch.contents == [found.contents[index] for index in (5, 0, 3)]


def test_other_views_and_other_data_are_other_features() -> None:
    engine = engine_of(toy())
    other = pictures({"cat": range(10, 14), "dog": range(14, 18)})
    chosen = [0, 1]
    first, views, others = (
        encoded(engine, Chosen(DATA, chosen)),
        encoded(engine, Chosen(DATA, chosen), views=2),
        encoded(engine, Chosen(other, chosen)),
    )
    assert views.views.shape == (2, 2, 16) and (first.features - others.features).abs().max() > 1e-3


def test_a_bad_image_is_left_out_of_the_test_set_and_refused_in_a_support_set() -> None:
    broken = replace(DATA, files=[b"no image", *DATA.files[1:]])
    engine = engine_of(toy(), skip_bad=True)
    found = encoded(engine, Chosen(broken, [0, 1, 2]), all_of="")
    assert found.indices == [1, 2] and [bad.id for bad in found.bad] == [broken.samples[0].id]
    for views in (1, 2):
        with pytest.raises(DataError, match=r"1 image of the support set cannot be read: dog/007\.png"):
            encoded(engine, Chosen(broken, [0, 1, 2]), views=views)


def test_images_without_one_class_are_refused() -> None:
    data = replace(DATA, samples=[Sample("a.png", (0, 1)), Sample("b.png", None), *DATA.samples[2:]])
    assert labels_of(Chosen(data, [2, 3, 4])).tolist() == [1, 1, 0]
    for index in (0, 1):
        with pytest.raises(TransferError, match="needs images of one class each"):
            labels_of(Chosen(data, [index]))


def test_nan_features_stop_the_engine() -> None:
    with pytest.raises(NonFiniteFeaturesError):
        encoded(engine_of(toy("nan")), Chosen(DATA, range(8)))


def test_nan_features_stop_a_method() -> None:
    """The engine refuses NaN as soon as a tower gives it; a method checks what it gets, wherever it comes from."""
    engine, support = engine_of(toy()), FewShot(4, Chosen(DATA, range(8)))
    found = encoded(engine, Chosen(DATA, range(8)))
    found.views[0, 2, 1] = float("nan")
    with pytest.raises(TransferError, match="the features of the support set are NaN or infinite"):
        feature_data(engine, [support], PROMPTS)
