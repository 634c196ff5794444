"""Turns texts into token ids, with the tokenizer that lies beside the graphs. The adapter uses it.

Hub folders have a ``tokenizer.json``, which the package tokenizers reads. Folders with an ``open_clip_config.json`` and
no preprocessor_config.json were exported from open_clip, whose own tokenizers are used then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
import torch
from tokenizers import Tokenizer
from torch import Tensor

from vlmbench.cards import ModelCard
from vlmbench.errors import MissingDependencyError, ModelError, install_command
from vlmbench.models.onnx.checkpoint import CONFIG, OPEN_CLIP, PREPROCESSOR, TOKENIZER, TOKENIZER_CONFIG, Checkpoint
from vlmbench.models.onnx.families import Paddings, paddings_of
from vlmbench.models.onnx.ports import IDS, MASK, POSITIONS, TYPES, Inputs
from vlmbench.models.onnx.tower import Rows
from vlmbench.models.open_clip.byte_level import byte_level_tokenizer
from vlmbench.models.open_clip.text import describe_tokenizer, token_reader, tokenized
from vlmbench.models.towers.token_reader import TextTokens
from vlmbench.models.towers.weights import json_sha256
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import CASE_KEPT

_UNLIMITED = 100_000
"""From this number on, ``model_max_length`` of a tokenizer means that no length was stated."""
_SPECIAL_TOKENS = "special_tokens_map.json"


@dataclass(frozen=True)
class TextReader:
    """Turns texts into a graph's inputs.

    Attributes:
        encode: maps N >= 1 texts to ids (N, L), and a mask (N, L) of the tokens that are not padding.
        description: the tokenizer in words, for a model's identity.
        tokens: tells how much of a text the model reads; None if the tokenizer is of an unknown class.
    """

    encode: Callable[[Sequence[str]], tuple[Tensor, Tensor]]
    description: str
    tokens: TextTokens | None

    def rows(self, texts: Sequence[str], inputs: Inputs) -> Rows:
        """Map N >= 1 texts to what the graph's inputs are filled with, N rows each."""
        ids, mask = self.encode(texts)
        made = {
            IDS: ids,
            MASK: mask,
            POSITIONS: torch.arange(ids.shape[1]).expand(ids.shape),
            TYPES: torch.zeros_like(ids),
        }
        return {name: made[name] for name in inputs.names}


def text_reader(checkpoint: Checkpoint, card: ModelCard, inputs: Inputs) -> TextReader:
    """Make the reader of a model's texts.

    Raises:
        ModelError: the tokenizer is missing or broken, or the number of tokens is unknown or not the graph's.
        MissingDependencyError: the tokenizer needs a package that is not installed.
    """
    if checkpoint.has(OPEN_CLIP) and not checkpoint.has(PREPROCESSOR):
        return _of_open_clip(checkpoint, card, inputs)
    if not checkpoint.has(TOKENIZER):
        raise ModelError(
            f"{checkpoint.spec} has no {TOKENIZER}",
            hint="Copy it from the model that was exported, or write it: "
            "AutoTokenizer.from_pretrained('MODEL').save_pretrained('FOLDER'). For a model of open_clip, copy its "
            f"{OPEN_CLIP} and tokenizer files.",
        )
    return _of_hub(checkpoint, card, inputs)


def _of_hub(checkpoint: Checkpoint, card: ModelCard, inputs: Inputs) -> TextReader:
    config = checkpoint.json(CONFIG)
    settings = checkpoint.json(TOKENIZER_CONFIG)
    paddings = paddings_of(config)
    file = checkpoint.path(TOKENIZER)
    try:
        tokenizer, uncut = (Tokenizer.from_file(str(file)) for _ in range(2))
    except Exception as error:  # the library raises Exception itself
        raise ModelError(f"{file}: the tokenizer cannot be read: {error}", hint="Fetch it again.") from error
    _refuse_wordless(file, tokenizer)
    length = _context_length(checkpoint, card, config, settings, paddings, inputs)
    pad_id, pad_token = _padding(checkpoint, tokenizer, settings)
    fixed = inputs.size[0]
    # Without a mask, padding counts as text, so the full length is the only one that the model was trained on. For a
    # causal tower that ends at the end of the text, later padding has no effect.
    whole = fixed is not None or MASK not in inputs.names or paddings.full
    side = settings.get("padding_side", "right")
    tokenizer.enable_padding(
        direction=side, pad_id=pad_id, pad_token=pad_token, length=(fixed or length) if whole else None
    )
    tokenizer.enable_truncation(max_length=length)
    uncut.no_padding()
    uncut.no_truncation()
    lowercase = bool(card.options.get("lowercase", False))

    def ids(read: Tokenizer, texts: Sequence[str]) -> list[Any]:
        return list(read.encode_batch([text.lower() if lowercase else text for text in texts]))

    def encode(texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        found = ids(tokenizer, texts)
        numbers = torch.tensor([each.ids for each in found], dtype=torch.long)
        mask = torch.tensor([each.attention_mask for each in found], dtype=torch.long)
        return numbers, torch.ones_like(mask) if paddings.unmasked else mask

    rules = json_sha256(
        {key: value for key, value in _rules(tokenizer).items() if key not in ("padding", "truncation")}
    )
    if paddings.lowercase and not lowercase and not torch.equal(encode(["A Photo"])[0], encode(["a photo"])[0]):
        say(
            CASE_KEPT,
            "the tokenizer keeps upper case, but the family was trained on lower case; set the option lowercase: true",
        )
    return TextReader(
        encode,
        f"tokenizers.Tokenizer(max_length={length}, padding={'max_length' if whole else 'longest'!r}, "
        f"pad_id={pad_id}, padding_side={side!r}, lowercase={lowercase}, unmasked={paddings.unmasked}, "
        f"rules_sha256={rules})",
        TextTokens(
            length,
            lambda texts: encode(texts)[0] if texts else torch.zeros(0, 1, dtype=torch.long),
            lambda texts: [len(each.ids) for each in ids(uncut, texts)],
        ),
    )


def _rules(tokenizer: Tokenizer) -> Mapping[str, Any]:
    import json

    rules: Mapping[str, Any] = json.loads(tokenizer.to_str())
    return rules


def _context_length(
    checkpoint: Checkpoint,
    card: ModelCard,
    config: Mapping[str, Any],
    settings: Mapping[str, Any],
    paddings: Paddings,
    inputs: Inputs,
) -> int:
    """The number of tokens after which texts are cut."""
    asked, fixed = card.options.get("context_length"), inputs.size[0]
    if asked is not None:
        if asked < 1 or (fixed is not None and asked > fixed):
            raise ModelError(
                f"model {card.name!r}: context_length is {asked}, but must be from 1 to {fixed or 'the model’s length'}"
            )
        return int(asked)
    text = config.get("text_config")
    stated = text.get("max_position_embeddings") if isinstance(text, Mapping) else None
    longest = settings.get("model_max_length")
    known = [
        paddings.context_length,
        stated,
        longest if isinstance(longest, int) and longest < _UNLIMITED else None,
        fixed,
    ]
    found = next((int(each) for each in known if isinstance(each, int) and each > 0), None)
    if found is None:
        raise ModelError(
            f"{checkpoint.spec} does not state how many tokens of a text the model reads",
            hint="Set the model option context_length in a card (77 for most CLIP models, 64 for SigLIP).",
        )
    return found if fixed is None else min(found, fixed)


def _padding(checkpoint: Checkpoint, tokenizer: Tokenizer, settings: Mapping[str, Any]) -> tuple[int, str]:
    """The id and the text of the token that fills a text up."""
    for source in (settings, checkpoint.json(_SPECIAL_TOKENS)):
        token = source.get("pad_token")
        content = token.get("content") if isinstance(token, Mapping) else token
        if isinstance(content, str):
            number = tokenizer.token_to_id(content)
            if number is None:
                raise ModelError(
                    f"{checkpoint.spec}: the tokenizer's pad_token {content!r} is not in its vocabulary",
                    hint=f"{TOKENIZER} and {TOKENIZER_CONFIG} may belong to two models.",
                )
            return int(number), content
    if tokenizer.padding is not None:
        return int(tokenizer.padding["pad_id"]), str(tokenizer.padding["pad_token"])
    raise ModelError(
        f"{checkpoint.spec}: nothing states with which token texts are filled up",
        hint=f"Copy {TOKENIZER_CONFIG} from the model that was exported; it has the pad_token.",
    )


def _refuse_wordless(file: Path, tokenizer: Tokenizer) -> None:
    special = {each.content for each in tokenizer.get_added_tokens_decoder().values() if each.special}
    if not set(tokenizer.get_vocab()) - special:
        raise ModelError(f"{file}: the tokenizer has no vocabulary", hint="Fetch it again.")


def _of_open_clip(checkpoint: Checkpoint, card: ModelCard, inputs: Inputs) -> TextReader:
    folder = checkpoint.settings_folder()
    text_config = _text_config(checkpoint)
    length = card.options.get("context_length")
    if length is not None and length < 1:
        raise ModelError(f"model {card.name!r}: context_length is {length}, but must be 1 or more")
    if card.options.get("lowercase"):
        raise ModelError(
            f"model {card.name!r}: the option lowercase has no effect on a tokenizer of open_clip: remove it",
            hint=f"{OPEN_CLIP} states how texts are cleaned.",
        )
    tokenizer: Any = byte_level_tokenizer(folder, text_config, length)
    if tokenizer is None:
        try:
            tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}", context_length=length)
        except ImportError as error:
            raise MissingDependencyError(
                f"the tokenizer of {checkpoint.spec} needs a package that is not installed: {error}",
                hint=install_command(str(error.name or "transformers").split(".")[0]),
            ) from error
        except Exception as error:  # the library can raise any error on files
            raise ModelError(f"{folder}: the tokenizer cannot be read: {error}") from error
    fixed, found = inputs.size[0], int(tokenizer.context_length)
    if fixed is not None and fixed != found:
        raise ModelError(
            f"{checkpoint.spec}: the text graph takes {fixed} tokens, but the tokenizer of {OPEN_CLIP} makes {found}",
            hint=f"Set the model option context_length: {fixed} in a card, or copy the {OPEN_CLIP} that belongs to it.",
        )
    pad = int(text_config.get("pad_id", 0) or 0)

    def encode(texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        ids = tokenized(tokenizer, texts)
        return ids, (ids != pad).long()

    return TextReader(encode, describe_tokenizer(tokenizer), token_reader(tokenizer))


def _text_config(checkpoint: Checkpoint) -> Mapping[str, Any]:
    model = checkpoint.json(OPEN_CLIP).get("model_cfg")
    text = model.get("text_cfg") if isinstance(model, Mapping) else None
    if not isinstance(text, Mapping):
        raise ModelError(f"{checkpoint.spec}: {OPEN_CLIP} has no model_cfg with a text_cfg")
    return text
