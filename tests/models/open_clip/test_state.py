"""State dicts in every layout: the one that fits is loaded whole, a choice is told, what is not clear is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vlmbench.errors import ModelError
from vlmbench.models.open_clip.state import chosen_state, load_state
from vlmbench.models.towers.checkpoint_file import Checkpoint, read_checkpoint
from vlmbench.models.towers.state_dicts import same_values
from vlmbench.remarks.base import gathered_remarks
from vlmbench.remarks.codes import WARNING

State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    """A small network; its weights are overwritten by each test."""
    from models.tiny import CONFIG

    torch.manual_seed(0)
    return open_clip.CLIP(**{**CONFIG, "text_cfg": {**CONFIG["text_cfg"], "vocab_size": 50, "context_length": 8}})


def weights(network: torch.nn.Module, seed: int) -> State:
    torch.manual_seed(seed)
    return {name: torch.randn_like(value) for name, value in network.state_dict().items()}


def loads(network: torch.nn.Module, content: Any, pick: str | None = None) -> tuple[State, list[str]]:
    """The network's weights after loading, and the codes of what was said."""
    with gathered_remarks(WARNING) as gathered, torch.no_grad():
        load_state(network, chosen_state("tiny", network, Checkpoint("w.pt", content), pick))
    return network.state_dict(), [remark.code for remark in gathered.remarks]


def equal(one: State, other: State) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def under(prefix: str, state: State) -> State:
    return {prefix + name: value for name, value in state.items()}


KEYS = ["model", "state_dict", "model_state_dict", "ema", "net", "network", "module", "weights", "params", "shadow"]
PREFIXES = [
    "",
    "module.",
    "_orig_mod.",
    "model.",
    "clip.",
    "clip_model.",
    "_orig_mod.module.",
    "module._orig_mod.model.",
]
BESIDE = {
    "epoch": 3,
    "loss": torch.tensor(0.1),
    "optimizer": {"state": {0: {"exp_avg": torch.ones(3), "step": torch.tensor(1.0)}}, "param_groups": [{"lr": 0.1}]},
    "scheduler": {"last_epoch": 3, "best": torch.tensor([1.0, 2.0])},
    "args": ["--lr", "1"],
    "none": None,
}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    keys=st.lists(st.sampled_from(KEYS), max_size=3),
    prefix=st.sampled_from(PREFIXES),
    beside=st.lists(st.sampled_from(sorted(BESIDE)), unique=True),
    damage=st.sampled_from(["", "", "missing", "unexpected", "shape"]),
)
def test_any_nesting_and_prefix_loads_whole_or_is_refused(network, keys, prefix, beside, damage):
    good = weights(network, 1)
    state = under(prefix, good)
    if damage == "missing":
        del state[prefix + "ln_final.weight"]
    elif damage == "unexpected":
        state["left.over"] = torch.ones(2)
    elif damage == "shape":
        state[prefix + "ln_final.weight"] = torch.ones(7)
    content: dict[str, Any] = state
    for key in keys:
        content = {key: content, **{name: BESIDE[name] for name in beside}}
    before = {name: value.clone() for name, value in network.state_dict().items()}
    if not damage:
        after, said = loads(network, content)
        assert equal(after, good) and said == []
        return
    with pytest.raises(ModelError) as caught:
        loads(network, content)
    assert equal(network.state_dict(), before)  # not a single weight was touched
    named = {"missing": "ln_final.weight", "unexpected": "left.over", "shape": "ln_final.weight is (7,), not (32,)"}
    assert named[damage] in str(caught.value)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keys=st.lists(st.sampled_from(KEYS), min_size=2, max_size=3, unique=True), prefix=st.sampled_from(PREFIXES))
def test_several_state_dicts_are_named(network, keys, prefix):
    states = {key: weights(network, seed) for seed, key in enumerate(keys)}
    content = {key: under(prefix, state) for key, state in states.items()}
    if "state_dict" in keys:
        after, said = loads(network, content)
        assert equal(after, states["state_dict"]) and said == ["several-weights"]
    else:
        with pytest.raises(ModelError) as caught:
            loads(network, content)
        assert all(repr(key) in str(caught.value) for key in keys) and "option state_dict: " in str(caught.value)
    for key in keys:
        after, said = loads(network, content, pick=key)
        assert equal(after, states[key]) and said == []


@pytest.mark.parametrize("key", ["ema", "ema_state_dict", "model_ema", "state_dict_ema", "averaged"])
def test_averaged_weights_beside_plain_ones(network, key):
    plain, averaged = weights(network, 1), weights(network, 2)
    with pytest.raises(ModelError, match=f"2 different state dicts that fit tiny: 'model' and '{key}'"):
        loads(network, {"model": plain, key: averaged, "epoch": 1})
    with gathered_remarks(WARNING) as gathered:
        chosen_state("tiny", network, Checkpoint("w.pt", {"state_dict": plain, key: averaged}), None)
    (remark,) = gathered.remarks
    assert "'state_dict' was loaded" in remark.text and remark.examples == tuple(sorted(["state_dict", key]))
    assert equal(loads(network, {"state_dict": plain, key: averaged}, pick=key)[0], averaged)
    # The plain weights at the top level, as open_clip would take them.
    after, said = loads(network, {**plain, key: averaged})
    assert equal(after, plain) and said == ["several-weights"]


def test_equal_state_dicts_are_no_choice(network):
    good = weights(network, 1)
    half = {name: value.half() for name, value in good.items()}
    assert loads(network, {"model": good, "ema": dict(good)})[1] == []
    assert loads(network, {"state_dict": good, "half": half})[1] == []


def test_student_and_teacher_in_one_state_dict(network):
    student, teacher = weights(network, 1), weights(network, 2)
    content = {"state_dict": {**under("student.", student), **under("teacher.", teacher)}}
    with pytest.raises(ModelError, match=r"'state_dict\.student' or 'state_dict\.teacher' fits tiny, but there"):
        loads(network, content)
    assert equal(loads(network, content, pick="state_dict.teacher")[0], teacher)
    with pytest.raises(ModelError, match=r"has no state dict 'teacher'.*\nIt has state_dict"):
        loads(network, content, pick="teacher")


def test_other_weights_beside_the_model_are_not_dropped_unasked(network):
    good = weights(network, 1)
    content = {"state_dict": {**under("model.", good), "criterion.weight": torch.ones(4)}}
    with pytest.raises(ModelError, match=r"the state dict 'state_dict\.model' fits[\s\S]*criterion\.weight"):
        loads(network, content)
    assert equal(loads(network, content, pick="state_dict.model")[0], good)


@pytest.mark.parametrize("plain_prefix", ["", "module."])
@pytest.mark.parametrize("key", ["state_dict", None])
@pytest.mark.parametrize("ema_prefix", ["ema.", "module_ema.module.", "a.ema."])
def test_averaged_weights_among_the_plain_ones(network, plain_prefix, key, ema_prefix):
    """The key of both names the plain weights, which have no prefix, and never the averaged ones."""
    plain, averaged = weights(network, 1), weights(network, 2)
    both = {**under(plain_prefix, plain), **under(ema_prefix, averaged)}
    content = {key: both} if key else both
    prefix = ema_prefix.removesuffix(".module.").removesuffix(".")
    labels = (key, f"{key}.{prefix}") if key else (".", prefix)
    with pytest.raises(ModelError) as caught:
        loads(network, content)
    assert f"{labels[0]!r} or {labels[1]!r}" in str(caught.value)
    assert equal(loads(network, content, pick=labels[0])[0], plain)
    assert equal(loads(network, content, pick=labels[1])[0], averaged)


def test_the_key_of_several_prefixes_names_none_of_them(network):
    content = {"state_dict": {**under("student.", weights(network, 1)), **under("teacher.", weights(network, 2))}}
    with pytest.raises(ModelError, match=r"'state_dict' that fits tiny\n.*dict\.student and state_dict\.teacher\."):
        loads(network, content, pick="state_dict")


def test_weights_that_were_averaged_by_torch(network):
    averaged = torch.optim.swa_utils.AveragedModel(torch.nn.ModuleDict({"model": network}))
    assert equal(loads(network, averaged.state_dict())[0], dict(averaged.module["model"].state_dict()))


def test_wrappers_in_the_middle_of_names(network):
    good = weights(network, 1)
    wrapped = {
        name.replace("resblocks.0.", "resblocks.0._checkpoint_wrapped_module."): value for name, value in good.items()
    }
    wrapped = {name.replace("visual.", "visual._orig_mod."): value for name, value in wrapped.items()}
    assert wrapped.keys() != good.keys()
    assert equal(loads(network, wrapped)[0], good)


@pytest.mark.parametrize("how", ["beside", "wrapped", "alone"])
def test_lora_weights_are_never_ignored(network, how):
    good = weights(network, 1)
    lora = {"visual.proj.lora_A.weight": torch.ones(2, 2), "visual.proj.lora_B.weight": torch.ones(2, 2)}
    content = {
        "beside": {"state_dict": {**good, **lora}},
        "wrapped": under("base_model.model.", {**good, "visual.conv1.base_layer.weight": torch.ones(1), **lora}),
        "alone": {"state_dict": lora},
    }[how]
    with pytest.raises(ModelError, match=r"LoRA[\s\S]*merge_and_unload"):
        loads(network, content)


def test_quantised_weights_are_refused(network):
    quantised = {name: value.to(torch.int8) for name, value in weights(network, 1).items()}
    with pytest.raises(ModelError, match="is int8, a type of quantised weights"):
        loads(network, quantised)


def test_weights_that_differ_in_one_row_are_others(network):
    """Of a table of tokens, fine-tuning may change what no sample of places shows."""
    plain = weights(network, 1)
    tuned = {**plain, "visual.conv1.weight": plain["visual.conv1.weight"].clone()}
    assert tuned["visual.conv1.weight"].numel() > 1536  # more than is sampled
    tuned["visual.conv1.weight"].view(-1)[tuned["visual.conv1.weight"].numel() // 4 + 150] += 1
    assert same_values(plain, tuned) is False
    assert loads(network, {"state_dict": plain, "ema": tuned})[1] == ["several-weights"]


def test_deep_nesting_and_mappings_that_hold_themselves(network):
    good = weights(network, 1)
    content: dict[str, Any] = good
    for level in range(12):
        content = {f"level{level}": content}
    content["itself"] = content
    assert equal(loads(network, content)[0], good)


def test_a_list_of_averaged_weights_is_told(open_model, write_weights: Callable[..., Path], tmp_path):
    content = dict(read_checkpoint(write_weights("tiny", "w.pt")).content)
    names = [name for name in content if isinstance(content[name], torch.Tensor)]
    same = [content[name] for name in names]
    network = open_model(f"tiny/{tmp_path / 'w.pt'}").network
    parameters = [value.detach().clone() for value in network.parameters()]

    def said(ema: Any) -> list[str]:
        torch.save({"state_dict": dict(zip(names, same, strict=True)), "ema": ema}, tmp_path / "both.pt")
        with gathered_remarks(WARNING) as gathered:
            open_model(f"tiny/{tmp_path / 'both.pt'}")
        return [remark.text for remark in gathered.remarks if remark.code == "several-weights"]

    (text,) = said({"decay": 0.9, "shadow_params": [value + 1 for value in parameters], "collected_params": None})
    assert f"a list of {len(parameters)} tensors under 'ema.shadow_params'" in text and "not loaded" in text
    assert said({"shadow_params": parameters}) == [] == said({"shadow_params": parameters[:3]})


def test_a_file_without_weights_names_its_entries(network):
    with pytest.raises(ModelError, match="holds no weights; its entries are epoch and args"):
        loads(network, {"epoch": 1, "args": ["x"]})


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["vision_model.embeddings.class_embedding", "text_model.final_layer_norm.weight"], "transformers:FOLDER"),
        (["conv1.weight", "layer1.0.conv1.weight", "fc.weight"], "without a text tower"),
        (["cls_token", "blocks.0.attn.qkv.weight", "head.weight"], "without a text tower"),
        (["visual_encoder.cls_token", "text_decoder.bert.x", "itm_head.weight"], "No adapter reads"),
        (["model.layers.0.self_attn.q_proj.weight", "model.embed_tokens.weight"], "No adapter reads"),
        (["first_stage_model.x", "cond_stage_model.y"], "No adapter reads"),
    ],
)
def test_weights_of_other_libraries(network, names, message):
    with pytest.raises(ModelError, match=message):
        loads(network, {"state_dict": {name: torch.ones(3, 3) for name in names}})


def test_a_sigmoid_architecture_without_its_bias_is_told():
    from models.tiny import ARCHITECTURES

    config = {name: value for name, value in ARCHITECTURES["tiny-sigmoid"].items() if name != "custom_text"}
    network = open_clip.CustomTextCLIP(**config)
    state = {name: value for name, value in weights(network, 1).items() if name != "logit_bias"}
    after, said = loads(network, state)
    assert said == ["missing-weights"] and float(after["logit_bias"]) == 0.0


def test_nan_is_refused(open_model, write_weights: Callable[..., Path], tmp_path):
    content = dict(read_checkpoint(write_weights("tiny", "w.pt")).content)
    content["visual.proj"] = content["visual.proj"].clone()
    content["visual.proj"][0, 0] = float("nan")
    torch.save(content, tmp_path / "nan.pt")
    with pytest.raises(ModelError, match=r"nan\.pt: 1 weight holds NaN .*visual\.proj"):
        open_model(f"tiny/{tmp_path / 'nan.pt'}")
