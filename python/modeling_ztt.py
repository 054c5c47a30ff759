"""
The Zero Token Transformer (arXiv 2502.12214) over GPT-2 or OPT layers, for Transformers 4.57 and later.

Layers are executed in slots: the head layers once, the middle layers in cycles, the tail layers once. With zero tokens
each slot has one more key in its attention, of its own, whose value is the zero vector:

    p   = softmax([q_i k_zero, q_i k_0, ..., q_i k_i] * scale)
    out = sum_j p_j v_j          the zero token adds nothing
    z_i = p_zero                 the zero attention: how little the layer has to add

A sequence or a token whose zero attention exceeds a threshold before a middle layer goes on with the tail.

In shapes: B batch, T tokens, K keys (cached ones too), D width, H heads, d = D / H, S slots, V vocabulary.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F
from transformers import GenerationMixin, PreTrainedModel
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import CausalLMOutputWithPast
from transformers.pytorch_utils import Conv1D
from transformers.utils import can_return_tuple

from .configuration_ztt import Slot, ZttConfig

# `gelu_new` and its namesakes are the tanh form.
_ACTIVATIONS = {
    "gelu_new": lambda x: F.gelu(x, approximate="tanh"),
    "gelu_fast": lambda x: F.gelu(x, approximate="tanh"),
    "gelu_accurate": lambda x: F.gelu(x, approximate="tanh"),
    "gelu_pytorch_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "gelu_python_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "gelu": F.gelu,
    "gelu_python": F.gelu,
    "relu": F.relu,
    "silu": F.silu,
    "swish": F.silu,
}
_STD = 0.02


@dataclass
class ZttOutput(CausalLMOutputWithPast):
    """
    zero_attentions: with `output_zero_attentions`, [B, H, T] for each of the S slots, NaN where a token did not run it;
        None for a layout without zero tokens.
    slots_per_token: [B, T], how many slots ran for each token.
    """

    zero_attentions: tuple[torch.FloatTensor, ...] | None = None
    slots_per_token: torch.LongTensor | None = None


class ZeroTokens(nn.Module):
    """The zero-token pool: one key a slot, [S, H, d]."""

    def __init__(self, slots: int, heads: int, size: int):
        super().__init__()
        self.key = nn.Parameter(torch.empty(slots, heads, size))

    def forward(self, slot: int) -> torch.Tensor:
        """[H, d]"""
        return self.key[slot]


class LowRank(nn.Module):
    """What LoRA adds to a linear map: scale (x A^T) B^T, with A [rank, inputs] and B [outputs, rank]."""

    def __init__(self, inputs: int, outputs: int, rank: int, alpha: float):
        super().__init__()
        self.A = nn.Parameter(torch.empty(rank, inputs))
        self.B = nn.Parameter(torch.empty(outputs, rank))
        self.scale = alpha / rank

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scale * F.linear(F.linear(x, self.A), self.B)


def fused_attention(q, k, v, mask, zero_key, scale, dropout):
    """
    Attention in one kernel, which does not give the zero attention.

    q: [B, H, T, d]; k, v: [B, H, K, d]; mask: bool [B or 1, 1, T, K], or None where T = K and token i sees keys 0 to i;
    zero_key: [H, d] or None. Returns [B, H, T, d].
    """
    if zero_key is not None:
        zero_key = zero_key.to(k.dtype)[None, :, None].expand(k.shape[0], -1, -1, -1)
        k, v = torch.cat((zero_key, k), 2), F.pad(v, (0, 0, 1, 0))
        if mask is None:
            # One more query in front: token i is row i + 1 of the triangle, and sees the zero key and keys 0 to i.
            q = F.pad(q, (0, 0, 1, 0))
        else:
            mask = F.pad(mask, (1, 0), value=True)
    out = F.scaled_dot_product_attention(q, k, v, mask, dropout, is_causal=mask is None, scale=scale)
    return out[:, :, 1:] if zero_key is not None and mask is None else out


def attention_weights(q, k, mask, zero_key, scale):
    """
    The weights that `fused_attention` does not give, [B, H, T, Z + K] in float32. Z is 1 where there is a zero token,
    which comes first, else 0.
    """
    logits = (q @ k.transpose(-1, -2)) * scale
    T, K = logits.shape[-2:]
    if mask is None and T > 1:
        mask = torch.ones(T, K, dtype=torch.bool, device=q.device).tril()
    if mask is not None:
        logits = logits.masked_fill(~mask, torch.finfo(logits.dtype).min)
    if zero_key is not None:
        zero = (q * zero_key.to(q.dtype)[None, :, None]).sum(-1, keepdim=True) * scale
        logits = torch.cat((zero, logits), -1)
    return logits.softmax(-1, dtype=torch.float32)


def visible_keys(attention_mask, tokens: int, past: int, device):
    """
    Which keys each token sees: bool [B or 1, 1, T, K], or None where all see all that `fused_attention` lets them.
    A token sees itself even if it is padding, so that no row of a softmax is empty.

    attention_mask: [B, K], 0 at padding, or None.
    """
    padded = attention_mask is not None and not bool(attention_mask.all())
    if not padded and (past == 0 or tokens == 1):
        return None
    keys = torch.arange(past + tokens, device=device)
    queries = keys[past:, None]
    causal = (keys <= queries)[None, None]
    return causal & (attention_mask.bool()[:, None, None] | (keys == queries)) if padded else causal


class Exits:
    """Who has left the middle in one forward pass, and what is decided before its next slots."""

    def __init__(self, thresholds, by_token: bool, normalised: bool, seen, context, gone):
        """
        thresholds: for each slot, what the score must exceed; 1 where nobody is asked.
        normalised: whether the score is the zero token's weight against the keys' mean weight, z n / (z n + 1 - z).
        seen: [B, T], the keys that each token sees.
        context: bool [B, T], the tokens whose mean decides for their sequence.
        gone: [B], the slot before which each sequence left when its first tokens were read; None if these are they.
        """
        self.thresholds = thresholds
        self.by_token = by_token
        self.normalised = normalised
        self.keys = seen.clamp(min=1)
        self.context = context
        # The sequences that are asked are at the beginning; where tokens leave by themselves, all of them always.
        self.asks = by_token or gone is None
        self.gone = context.new_full(context.shape[:1], len(thresholds), dtype=torch.long) if gone is None else gone
        self.active = torch.ones_like(context)
        # The rows that the next slot is computed for: an index of the batch.
        self.rows = slice(None)

    def begin(self, slot: Slot, keep_rows: bool) -> bool:
        """Chooses the rows that a middle slot is computed for: all, or those with a token in it. Returns if any are."""
        if not self.asks:
            self.active = self.active & (self.gone > slot.index)[:, None]
        staying = self.active.any(1)
        self.rows = slice(None) if keep_rows or bool(staying.all()) else staying.nonzero()[:, 0]
        return keep_rows or bool(staying.any())

    def checks(self, slot: Slot) -> bool:
        return self.asks and self.thresholds[slot.index] < 1

    def check(self, slot: Slot, z: torch.Tensor) -> None:
        """Lets those go whose score exceeds the slot's threshold. z: [rows, H, T]"""
        z = z.detach().to(self.keys.device)
        if self.normalised:
            keys = self.keys[self.rows][:, None]
            z = z * keys / (1 + z * (keys - 1))
        score = z.mean(1)
        if not self.by_token:
            context = self.context[self.rows]
            score = (score * context).sum(1, keepdim=True) / context.sum(1, keepdim=True)
        leaves = self.active[self.rows] & (score > self.thresholds[slot.index])
        self.active[self.rows] = self.active[self.rows] & ~leaves
        if not self.by_token:
            self.gone[self.rows] = torch.where(leaves.any(1), slot.index, self.gone[self.rows])


class ExitLayer(DynamicLayer):
    """
    Where each sequence of a cache left (`Exits.gone`), as one layer more behind those of the slots: what reorders,
    selects or repeats a cache's rows, as beam search does, does it in every layer.
    """

    def crop(self, *args, **kwargs) -> None:
        """It has no tokens: a sequence that is cut has left where it left."""


def remember_exits(cache: Cache, slots: int, gone: torch.Tensor) -> None:
    """Puts an `ExitLayer` behind the slots' layers, of which a cache may have made only those that ran."""
    cache.layers += [DynamicLayer() for _ in range(slots - len(cache.layers))] + [ExitLayer()]
    gone = gone[:, None, None, None]
    cache.layers[slots].update(gone, gone)


def remembered_exits(cache: Cache, slots: int) -> torch.Tensor | None:
    """[B], what `remember_exits` put into a cache; None where nothing did."""
    return cache.layers[slots].keys[:, 0, 0, 0] if len(cache.layers) > slots else None


class ZttBlock(GradientCheckpointingLayer):
    """A layer of either family; each of its slots runs it with the slot's own zero key, cache and LoRA matrices."""

    # The modules' names, relative to the layer.
    attention_norm: str
    attention_out: str
    mlp_norm: str
    up: str
    down: str

    def __init__(self, config: ZttConfig, activation: str, norm_first: bool):
        super().__init__()
        self.heads = config.num_attention_heads
        self.activation = _ACTIVATIONS[activation]
        self.norm_first = norm_first
        self.dropout = config.ztt.get("dropout", 0.0)
        self.lora_targets = (config.ztt.get("lora") or {}).get("targets", ())

    def qkv(self, x: torch.Tensor, lora) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """x: [B, T, D]. Returns q, k and v, each [B, T, D]."""
        raise NotImplementedError

    def forward(self, x, mask, zero_key, slot: Slot, lora=None, past_key_values=None, exits=None, eager=False):
        """
        x: [B, T, D]; mask and zero_key as `fused_attention` has them; lora: the slot's `LowRank` modules, or None.
        eager: whether to return the attention's weights.
        Returns x after the slot, as it was for tokens that have left, and the weights [B, H, T, Z + K] or None.
        """
        a = self.get_submodule(self.attention_norm)(x) if self.norm_first else x
        B, T, D = a.shape
        q, k, v = (y.view(B, T, self.heads, -1).transpose(1, 2) for y in self.qkv(a, lora))
        if past_key_values is not None:
            k, v = past_key_values.update(k, v, slot.index)
        if exits is not None and not bool(exits.active.any()):
            return x, None
        dropout = self.dropout if self.training else 0.0
        weights = None
        # For one token the weights are small, and no key has to be copied behind the zero key.
        if eager or T == 1 or (exits is not None and exits.checks(slot)):
            weights = attention_weights(q, k, mask, zero_key, slot.scale)
            if exits is not None and exits.checks(slot):
                exits.check(slot, weights[..., 0])
                if not bool(exits.active[exits.rows].any()):
                    return x, weights
            seen = weights[..., 1:] if zero_key is not None else weights
            mixed = F.dropout(seen.to(v.dtype), dropout) @ v
        else:
            mixed = fused_attention(q, k, v, mask, zero_key, slot.scale, dropout)
        y = self.rest(x, mixed.transpose(1, 2).reshape(B, T, D), lora)
        if exits is not None:
            y = torch.where(exits.active[exits.rows][..., None], y, x)
        return y, weights

    def rest(self, x: torch.Tensor, mixed: torch.Tensor, lora) -> torch.Tensor:
        """What follows attention: its output projection and the MLP. x, mixed: [B, T, D]"""
        attention_norm, mlp_norm = self.get_submodule(self.attention_norm), self.get_submodule(self.mlp_norm)
        x = x + F.dropout(self.linear(self.attention_out, mixed, lora), self.dropout, self.training)
        if not self.norm_first:
            x = attention_norm(x)
        inner = self.activation(self.linear(self.up, mlp_norm(x) if self.norm_first else x, lora))
        x = x + F.dropout(self.linear(self.down, inner, lora), self.dropout, self.training)
        return x if self.norm_first else mlp_norm(x)

    def linear(self, name: str, x: torch.Tensor, lora) -> torch.Tensor:
        """A linear map by its name, with the slot's LoRA matrices where it has some."""
        y = self.get_submodule(name)(x)
        return y + lora.get_submodule(name)(x) if name in self.lora_targets else y


class ZttGpt2Block(ZttBlock):
    """GPT-2's layer: q, k and v from one map, weights [inputs, outputs]."""

    attention_norm, attention_out = "ln_1", "attn.c_proj"
    mlp_norm, up, down = "ln_2", "mlp.c_fc", "mlp.c_proj"

    def __init__(self, config: ZttConfig):
        super().__init__(config, config.base("activation_function", "gelu_new"), norm_first=True)
        D, epsilon = config.hidden_size, config.base("layer_norm_epsilon", 1e-5)
        inner = config.base("n_inner", 4 * D)
        self.ln_1 = nn.LayerNorm(D, epsilon)
        self.attn = nn.ModuleDict({"c_attn": Conv1D(3 * D, D), "c_proj": Conv1D(D, D)})
        self.ln_2 = nn.LayerNorm(D, epsilon)
        self.mlp = nn.ModuleDict({"c_fc": Conv1D(inner, D), "c_proj": Conv1D(D, inner)})

    def qkv(self, x, lora):
        return self.linear("attn.c_attn", x, lora).chunk(3, -1)


class ZttOptBlock(ZttBlock):
    """OPT's layer: q, k and v each from a map, weights [outputs, inputs]; norms before or (opt-350m) after."""

    attention_norm, attention_out = "self_attn_layer_norm", "self_attn.out_proj"
    mlp_norm, up, down = "final_layer_norm", "fc1", "fc2"

    def __init__(self, config: ZttConfig):
        super().__init__(
            config, config.base("activation_function", "relu"), config.base("do_layer_norm_before", True)
        )
        D, inner = config.hidden_size, config.base_config["ffn_dim"]
        bias, affine = config.base("enable_bias", True), config.base("layer_norm_elementwise_affine", True)
        maps = ("q_proj", "k_proj", "v_proj", "out_proj")
        self.self_attn = nn.ModuleDict({name: nn.Linear(D, D, bias) for name in maps})
        self.self_attn_layer_norm = nn.LayerNorm(D, elementwise_affine=affine)
        self.fc1 = nn.Linear(D, inner, bias)
        self.fc2 = nn.Linear(inner, D, bias)
        self.final_layer_norm = nn.LayerNorm(D, elementwise_affine=affine)

    def qkv(self, x, lora):
        return tuple(self.linear(f"self_attn.{name}_proj", x, lora) for name in "qkv")


class ZttForCausalLM(PreTrainedModel, GenerationMixin):
    """
    The language model. Its tensors have the names of `ztt`'s checkpoints, so the family's modules stand at the top:
    `wte`, `wpe`, `ln_f` or `embed_tokens`, `embed_positions`, ..., and the layers in `head`, `middle` and `tail`.
    """

    config_class = ZttConfig
    supports_gradient_checkpointing = True
    _no_split_modules = ["ZttGpt2Block", "ZttOptBlock"]
    _skip_keys_device_placement = ["past_key_values"]
    _supports_sdpa = True

    def __init__(self, config: ZttConfig):
        super().__init__(config)
        ztt, D, V = config.ztt, config.hidden_size, config.vocab_size
        self.slots = config.slots()
        if config.family == "gpt2":
            block = ZttGpt2Block
            self.names = {"tokens": "wte", "positions": "wpe", "final_norm": "ln_f"}
            E, first_position, epsilon, affine = D, 0, config.base("layer_norm_epsilon", 1e-5), True
        else:
            block = ZttOptBlock
            self.names = {"tokens": "embed_tokens", "positions": "embed_positions"}
            E, first_position, epsilon = config.base("word_embed_proj_dim", D), 2, 1e-5
            affine = config.base("layer_norm_elementwise_affine", True)
            if E != D:
                self.project_in = nn.Linear(E, D, bias=False)
                self.project_out = nn.Linear(D, E, bias=False)
            if config.base("do_layer_norm_before", True) and not config.base("_remove_final_layer_norm"):
                self.names["final_norm"] = "final_layer_norm"
        self.first_position = first_position
        self.add_module(self.names["tokens"], nn.Embedding(V, E))
        self.add_module(self.names["positions"], nn.Embedding(config.max_position_embeddings + first_position, D))
        for part in ("head", "middle", "tail"):
            self.add_module(part, nn.ModuleList([block(config) for _ in range(ztt[part])]))
        if "final_norm" in self.names:
            self.add_module(self.names["final_norm"], nn.LayerNorm(D, epsilon, elementwise_affine=affine))
        self.zero_tokens = None
        if ztt["layout"] == "ztt":
            heads = config.num_attention_heads
            self.zero_tokens = ZeroTokens(len(self.slots), heads, D // heads)
            self._keep_in_fp32_modules_strict = ["zero_tokens"]
        self.lora = self._make_lora(ztt["lora"]) if ztt.get("lora") else None
        self.lm_head = nn.Linear(E, V, bias=False)
        self._tied_weights_keys = {"lm_head.weight": f"{self.names['tokens']}.weight"}
        self.post_init()

    def _make_lora(self, lora: dict) -> nn.ModuleDict:
        """`LowRank` modules at {part}.{place}.{cycle or "shared"}.{name of the linear map}."""
        tree = nn.ModuleDict()
        for path in dict.fromkeys(slot.lora for slot in self.slots):
            for target in lora["targets"]:
                module = self.middle[0].get_submodule(target)
                shape = module.weight.shape
                inputs, outputs = shape if isinstance(module, Conv1D) else shape[::-1]
                *folders, name = f"{path}.{target}".split(".")
                folder = tree
                for part in folders:
                    if part not in folder:
                        folder[part] = nn.ModuleDict()
                    folder = folder[part]
                folder[name] = LowRank(inputs, outputs, lora["rank"], lora["alpha"])
        return tree

    def _init_weights(self, module):
        std = self.config.base("init_std" if self.config.family == "opt" else "initializer_range", _STD)
        if isinstance(module, (nn.Linear, Conv1D, nn.Embedding)):
            nn.init.normal_(module.weight, std=std)
            if getattr(module, "bias", None) is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.LayerNorm) and module.elementwise_affine:
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, ZeroTokens):
            nn.init.normal_(module.key, std=_STD)
        elif isinstance(module, LowRank):
            nn.init.kaiming_uniform_(module.A, a=math.sqrt(5))
            nn.init.zeros_(module.B)

    def get_input_embeddings(self):
        return self.get_submodule(self.names["tokens"])

    def set_input_embeddings(self, value):
        setattr(self, self.names["tokens"], value)

    def gradient_checkpointing_enable(self, gradient_checkpointing_kwargs=None, **kwargs):
        """Not reentrant unless told to: DDP takes no reentrant checkpoints of a layer that runs in several cycles."""
        super().gradient_checkpointing_enable(gradient_checkpointing_kwargs or {"use_reentrant": False}, **kwargs)

    def prepare_inputs_for_generation(self, input_ids, **kwargs):
        """Tokens leave by themselves, as in `ztt generate`: no token looks ahead, so a cached one stays as it is."""
        if kwargs.get("exit_granularity") is None:
            kwargs["exit_granularity"] = "token"
        return super().prepare_inputs_for_generation(input_ids, **kwargs)

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.LongTensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.FloatTensor | None = None,
        labels: torch.LongTensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        output_zero_attentions: bool = False,
        threshold: float | list[float] | None = None,
        exit_from_cycle: int | None = None,
        exit_score: str | None = None,
        exit_granularity: str | None = None,
        context_length: int | torch.LongTensor | None = None,
        max_cycles: int | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        **kwargs,
    ) -> ZttOutput:
        """
        input_ids: [B, T], or inputs_embeds [B, T, E], the width before OPT's `project_in`.
        attention_mask: [B, K], 0 at padding on either side; positions are counted without padding.
        labels: [B, T], shifted here; -100 does not count.
        output_attentions: the weights on the keys [B, H, T, K] of each slot that ran, without the zero token's.

        Exits, of a layout with zero tokens. Unless given they are those of `config.ztt`; in training there are none.
        threshold: leave before a slot whose exit score exceeds it; 1 never does. One, or one for each slot.
        exit_from_cycle: the first cycle, from 1, in which that is checked.
        exit_score: "zero-attention", or "length-normalised" against the number of keys.
        exit_granularity: "sequence" (the default: a row leaves as a whole, by its first `context_length` tokens, and
            for good if it goes on from a cache) or "token" (each by itself: the default of `generate`).
        context_length: one, or one for each row [B]; all tokens unless given.
        max_cycles: cycles that run at all, in any layout.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("give either input_ids or inputs_embeds.")
        x = self.get_input_embeddings()(input_ids) if inputs_embeds is None else inputs_embeds
        B, T, _ = x.shape
        if self.training and self.is_gradient_checkpointing:
            use_cache, past_key_values = False, None
        elif use_cache is None:
            use_cache = self.config.use_cache and not self.training
        if use_cache and past_key_values is None:
            past_key_values = DynamicCache(config=self.config)
        past = 0 if past_key_values is None else past_key_values.get_seq_length()
        if past_key_values is not None and past == 0:
            # What an emptied cache remembers of its exits.
            del past_key_values.layers[len(self.slots) :]
        real = torch.ones(B, past + T, dtype=torch.bool, device=x.device)
        if attention_mask is not None:
            if attention_mask.shape != real.shape:
                raise ValueError(
                    f"attention_mask is {list(attention_mask.shape)}; for {past} cached tokens and {T} more it must be "
                    f"{list(real.shape)}."
                )
            real = attention_mask.bool()
        mask = visible_keys(None if attention_mask is None else real, T, past, x.device)
        if position_ids is None:
            position_ids = (real.long().cumsum(1) - 1).clamp(min=0)[:, past:]
        cycles = self.config.ztt["cycles"] if max_cycles is None else max_cycles
        if cycles < 1:
            raise ValueError(f"max_cycles is {max_cycles}; it must be at least 1.")
        exits = self._exits(
            real, past_key_values, threshold, exit_from_cycle, exit_score, exit_granularity, context_length
        )
        eager = output_zero_attentions or output_attentions or self.config._attn_implementation == "eager"
        hidden_states, attentions, zero_attentions = (), (), ()
        slots_per_token = torch.zeros(B, T, dtype=torch.long, device=x.device)
        x = self._embed(x, position_ids)
        for slot in self.slots:
            if slot.part == "middle" and slot.cycle > cycles:
                continue
            if output_hidden_states:
                hidden_states += (x,)
            x, weights, ran = self._run_slot(slot, x, mask, past_key_values, exits, eager)
            slots_per_token += ran
            if output_attentions:
                attentions += (weights if self.zero_tokens is None else weights[..., 1:],)
            if output_zero_attentions and self.zero_tokens is not None:
                # A copy, lest it keep all weights.
                zero_attentions += (weights[..., 0].clone(),)
        if exits is not None and not exits.by_token and past_key_values is not None and past == 0:
            # A sequence that goes on from this cache leaves where its first tokens did.
            remember_exits(past_key_values, len(self.slots), exits.gone)
        if "final_norm" in self.names:
            x = self.get_submodule(self.names["final_norm"])(x)
        if output_hidden_states:
            hidden_states += (x,)
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        x = x[:, kept]
        logits = self.lm_head(self.project_out(x) if hasattr(self, "project_out") else x)
        loss = None
        if labels is not None:
            loss = self.loss_function(logits, labels, vocab_size=self.config.vocab_size, **kwargs)
        return ZttOutput(
            loss=loss,
            logits=logits,
            past_key_values=past_key_values if use_cache else None,
            hidden_states=hidden_states or None,
            attentions=attentions or None,
            zero_attentions=zero_attentions or None,
            slots_per_token=slots_per_token,
        )

    def _embed(self, x, position_ids):
        """Token embeddings [B, T, E] to the first slot's input [B, T, D]."""
        if hasattr(self, "project_in"):
            x = self.project_in(x)
        x = x + self.get_submodule(self.names["positions"])(position_ids + self.first_position)
        return F.dropout(x, self.config.ztt.get("dropout", 0.0), self.training)

    def _run_slot(self, slot: Slot, x, mask, past_key_values, exits: Exits | None, eager: bool):
        """
        Returns x [B, T, D] after a slot, its attention weights [B, H, T, Z + K] if `eager` (NaN where a token did not
        run it), and which tokens ran it, bool [B, T].
        """
        block = getattr(self, slot.part)[slot.place]
        zero_key = None if self.zero_tokens is None else self.zero_tokens(slot.index)
        lora = None if self.lora is None else self.lora.get_submodule(slot.lora)
        if exits is None or slot.part != "middle":
            x, weights = block(x, mask, zero_key, slot, lora, past_key_values, eager=eager)
            return x, weights, x.new_ones(x.shape[:2], dtype=torch.bool)
        weights = None
        if exits.begin(slot, keep_rows=past_key_values is not None):
            rows = exits.rows
            own_mask = mask if mask is None or mask.shape[0] == 1 else mask[rows]
            y, weights = block(x[rows], own_mask, zero_key, slot, lora, past_key_values, exits, eager)
            x = y if isinstance(rows, slice) else x.index_copy(0, rows, y)
        if eager:
            B, T, K = *x.shape[:2], x.shape[1] if past_key_values is None else past_key_values.get_seq_length()
            all_weights = torch.full((B, block.heads, T, 1 + K), math.nan, device=x.device)
            if weights is not None:
                all_weights[exits.rows] = weights
            weights = all_weights.masked_fill(~exits.active[:, None, :, None], math.nan)
        return x, weights, exits.active

    def _exits(
        self, real, past_key_values, threshold, exit_from_cycle, exit_score, exit_granularity, context_length
    ) -> Exits | None:
        """Who leaves when; None where nobody can. real: bool [B, K], where there is no padding."""
        ztt, S = self.config.ztt, len(self.slots)
        zero_tokens = self.zero_tokens is not None
        if threshold is None:
            threshold = ztt.get("threshold", 1.0) if zero_tokens and not self.training else 1.0
        per_slot = [threshold] * S if isinstance(threshold, (int, float)) else list(threshold)
        if len(per_slot) != S or not all(value > 0 for value in per_slot):
            raise ValueError(f"threshold is {threshold}; give one above 0, or one for each of the {S} slots.")
        granularity = exit_granularity or "sequence"
        score = exit_score or ztt.get("exit_score") or "zero-attention"
        if granularity not in ("sequence", "token") or score not in ("zero-attention", "length-normalised"):
            raise ValueError(
                f'exit_granularity is {granularity!r} and exit_score {score!r}; they can be "sequence" or "token", and '
                '"zero-attention" or "length-normalised".'
            )
        first_cycle = ztt.get("exit_from_cycle", 2) if exit_from_cycle is None else exit_from_cycle
        thresholds = [
            min(value, 1.0) if slot.part == "middle" and slot.cycle >= first_cycle else 1.0
            for value, slot in zip(per_slot, self.slots)
        ]
        past = 0 if past_key_values is None else past_key_values.get_seq_length()
        gone = remembered_exits(past_key_values, S) if past > 0 else None
        if min(thresholds) >= 1 and gone is None:
            return None
        if not zero_tokens:
            raise ValueError(f"threshold {threshold} cannot be: layout {ztt['layout']} has no zero tokens to exit by.")
        if self.training and self.is_gradient_checkpointing:
            raise ValueError("threshold cannot be with gradient checkpointing, which would decide every exit twice.")
        seen = real.long().cumsum(1)
        context = real
        if context_length is not None:
            context = real & (seen <= torch.as_tensor(context_length, device=real.device).reshape(-1, 1))
        if past > 0 and granularity == "sequence" and gone is None:
            gone = torch.full(real.shape[:1], S, device=real.device)
        return Exits(
            thresholds, granularity == "token", score == "length-normalised", seen[:, past:], context[:, past:], gone
        )
