"""Wraps open_clip's tokenizers, and text towers whose batches can be cut to the longest text.

The adapter uses it, also for models in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import torch
import torch.nn.functional as F
from open_clip.hf_model import ClsLastHiddenStatePooler, ClsPooler, HFTextEncoder, MeanPooler
from open_clip.model import CLIP, CustomTextCLIP
from open_clip.tokenizer import HFTokenizer, SimpleTokenizer
from open_clip.transformer import TextTransformer, Transformer, text_global_pool
from torch import Tensor, nn

from vlmbench.models.open_clip.byte_level import ByteLevelTokenizer
from vlmbench.models.towers.padding import unpadded_lengths
from vlmbench.models.towers.token_reader import TextTokens, library_counts
from vlmbench.models.towers.weights import huggingface_rules_sha256, json_sha256

POOLS_AT_END = ("argmax", "eos")
"""How a tower may find the end-of-text token: by the highest id, or by its own id. Both take the first one."""
MASKS_PADDING = ("roberta", "xlm-roberta", "bert", "mt5", "t5", "m2m_100")
"""Model types of the transformers library. A test found that padding after a text does not change their features."""
POOLS_WITHOUT_PADDING = (MeanPooler, ClsPooler, ClsLastHiddenStatePooler)


class CausalTextEncoder:
    """The ``PrefixTextEncoder`` of causal text towers: features from the leading tokens only.

    In a causal tower no token sees later tokens, and the feature comes from the end-of-text token. So the padding after
    that token cannot change the feature. open_clip's own ``encode_text`` requires the full length. This class calls the
    same modules, with positions and mask cut to the input's length.

    Args:
        tower: ``CLIP`` itself, which holds the parts of its text tower, or a ``TextTransformer``.
        tokenizer: maps texts to (N, context length) ids.
        pool_type: see :data:`POOLS_AT_END`.
        eos_id: the end-of-text token, for "eos".
    """

    def __init__(self, tower: Any, tokenizer: Any, pool_type: str, eos_id: int | None) -> None:
        self.tower = tower
        self._tokenizer = tokenizer
        self._pool_type = pool_type
        self._eos_id = eos_id if pool_type == "eos" else None

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        return tokenized(self._tokenizer, texts)

    def lengths(self, tokens: Tensor) -> Tensor:
        ends = tokens.eq(self._eos_id).int() if self._eos_id is not None else tokens
        return ends.argmax(dim=-1) + 1

    def encode_tokens(self, tokens: Tensor) -> Tensor:
        tower, length = self.tower, tokens.shape[1]
        dtype = tower.transformer.get_cast_dtype()
        x = tower.token_embedding(tokens).to(dtype) + tower.positional_embedding[:length].to(dtype)
        x = tower.transformer(x, attn_mask=tower.attn_mask[:length, :length])
        return project(tower, text_global_pool(tower.ln_final(x), tokens, self._pool_type, eos_token_id=self._eos_id))


class MaskedTextEncoder:
    """The ``PrefixTextEncoder`` of a tower of the transformers library, which masks padding in every layer.

    Args:
        tower: the text tower. It finds the padding itself.
        tokenizer: maps texts to (N, context length) ids, padded on the right.
    """

    def __init__(self, tower: HFTextEncoder, tokenizer: HFTokenizer) -> None:
        self._tower = tower
        self._tokenizer = tokenizer

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        return tokenized(self._tokenizer, texts)

    def lengths(self, tokens: Tensor) -> Tensor:
        return unpadded_lengths(tokens, self._tower.config.pad_token_id).clamp(min=1)

    def encode_tokens(self, tokens: Tensor) -> Tensor:
        return F.normalize(self._tower(tokens), dim=-1)


def project(tower: Any, x: Tensor) -> Tensor:
    """Map (N, W) pooled states, normalised by the tower, to (N, D) features, unit length."""
    projection = tower.text_projection
    if projection is not None:
        x = projection(x) if isinstance(projection, nn.Linear) else x @ projection
    return F.normalize(x, dim=-1)


def causal_text_encoder(model: Any, tokenizer: Any) -> CausalTextEncoder | None:
    """Make the :class:`CausalTextEncoder` of the model's text tower; None if cutting could change its features.

    The model must have one of the two classes with a known forward pass. Its tower must have a strictly causal mask, no
    class token after the text (CoCa has one), and pooling at the end of the text.
    """
    if type(model) is CLIP:
        tower, pool_type, eos_id = cast(Any, model), model.text_pool_type, model.text_eos_id
    elif type(model) is CustomTextCLIP and type(model.text) is TextTransformer:
        tower, pool_type, eos_id = cast(Any, model.text), model.text.pool_type, model.text.eos_id
        if tower.cls_emb is not None or tower.use_pad_mask or tower.output_tokens:
            return None
    else:
        return None
    if not is_causal(tower) or pool_type not in POOLS_AT_END or type(tower.transformer) is not Transformer:
        return None
    return CausalTextEncoder(tower, tokenizer, pool_type, eos_id)


def masked_text_encoder(model: Any, tokenizer: Any) -> MaskedTextEncoder | None:
    """Make the :class:`MaskedTextEncoder` of the model's text tower; None if it is not known to be exact."""
    if type(model) is not CustomTextCLIP or type(model.text) is not HFTextEncoder:
        return None
    tower = model.text
    known = tower.config.model_type in MASKS_PADDING and type(tower.pooler) in POOLS_WITHOUT_PADDING
    right = isinstance(tokenizer, HFTokenizer) and tokenizer.tokenizer.padding_side == "right"
    return MaskedTextEncoder(tower, tokenizer) if known and right and not tower.output_tokens else None


def is_causal(tower: Any) -> bool:
    """Whether each token of a tower sees itself and all earlier tokens, and no later ones."""
    mask = tower.attn_mask
    return mask is not None and bool(torch.equal(mask, torch.full_like(mask, float("-inf")).triu_(1)))


def tokenized(tokenizer: Any, texts: Sequence[str]) -> Tensor:
    """Map N strings to (N, context length) int64 ids on the CPU; N may be 0."""
    if not texts:
        return torch.zeros(0, tokenizer.context_length, dtype=torch.long)
    return cast(Tensor, tokenizer(list(texts)))


def token_reader(tokenizer: Any) -> TextTokens | None:
    """Make the ``TokenReader`` of a tokenizer; None if the tokenizer's class is unknown."""
    counted: Callable[[Sequence[str]], list[int]]
    if isinstance(tokenizer, ByteLevelTokenizer):
        counted = tokenizer.token_counts
    elif isinstance(tokenizer, SimpleTokenizer):
        counted = partial(_simple_counts, tokenizer)
    elif isinstance(tokenizer, HFTokenizer):
        counted = partial(_library_counts, tokenizer)
    else:
        return None
    return TextTokens(int(tokenizer.context_length), partial(tokenized, tokenizer), counted)


def _simple_counts(tokenizer: SimpleTokenizer, texts: Sequence[str]) -> list[int]:
    return [len(tokenizer.encode(text)) + 2 for text in texts]


def _library_counts(tokenizer: HFTokenizer, texts: Sequence[str]) -> list[int]:
    clean = [tokenizer.clean_fn(text) for text in texts]
    if tokenizer.tokenizer_mode == "clips":  # it adds three tokens around a text
        return [count + 3 for count in library_counts(tokenizer.tokenizer, clean, add_special_tokens=False)]
    return library_counts(tokenizer.tokenizer, clean)


def simple_rules_sha256(tokenizer: SimpleTokenizer) -> str:
    """Hash the vocabulary and the merges of open_clip's own tokenizer."""
    return json_sha256([tokenizer.encoder, [" ".join(pair) for pair in tokenizer.bpe_ranks]])


def describe_tokenizer(tokenizer: Any) -> str:
    """Describe a tokenizer: class, context length, cleaning, and a hash of its vocabulary and merges."""
    if isinstance(tokenizer, ByteLevelTokenizer):
        return tokenizer.description
    if isinstance(tokenizer, SimpleTokenizer):
        rules = simple_rules_sha256(tokenizer)
    else:
        rules = huggingface_rules_sha256(tokenizer.tokenizer)
    parts = [
        f"{type(tokenizer).__name__}(context_length={tokenizer.context_length}",
        f"clean={getattr(getattr(tokenizer, 'clean_fn', None), '__name__', 'none')}",
        f"rules_sha256={rules}",
    ]
    if isinstance(tokenizer, HFTokenizer):
        parts.append(f"mode={tokenizer.tokenizer_mode!r}, strip_sep_token={tokenizer.strip_sep_token}")
    elif getattr(tokenizer, "reduction_fn", None) is not None:
        parts.append(f"reduction={tokenizer.reduction_fn}")
    return ", ".join(parts) + ")"
