"""The config of a Zero Token Transformer (arXiv 2502.12214) over GPT-2 or OPT layers, as `ztt` writes it."""

from __future__ import annotations

import copy
from dataclasses import dataclass

from transformers import GPT2Config, PretrainedConfig

# What the two families call what Transformers looks for at a config's top level.
_SIZES = {
    "gpt2": {
        "hidden_size": "n_embd",
        "num_attention_heads": "n_head",
        "max_position_embeddings": "n_positions",
    },
    "opt": {
        "hidden_size": "hidden_size",
        "num_attention_heads": "num_attention_heads",
        "max_position_embeddings": "max_position_embeddings",
    },
}
# What may be changed at the top level, with the base config's default; it goes back into the base config.
_SHARED = {
    "vocab_size": None,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": None,
    "tie_word_embeddings": True,
}
_LAYOUTS = ("vanilla", "bc", "htc", "ztt")


@dataclass(frozen=True)
class Slot:
    """One executed layer."""

    index: int
    part: str
    # 1-based.
    cycle: int
    # The layer's index within its part.
    place: int
    # Attention logits are multiplied by it.
    scale: float
    # Where the slot's LoRA matrices are, below `lora`; None where it has none.
    lora: str | None


class ZttConfig(PretrainedConfig):
    """
    `base_config` is the whole config of the GPT-2 or OPT model that this one was made of, and `ztt` says how its layers
    are arranged and when they are left: both plain dicts, as https://arxiv.org/abs/2502.12214 and `ztt`'s docs/files.md
    have them. What Transformers expects at the top level (vocab_size, hidden_size, ...) is taken from `base_config`;
    `num_hidden_layers` is the number of slots, since each keeps keys and values of its own.
    """

    model_type = "ztt"
    keys_to_ignore_at_inference = ["past_key_values", "zero_attentions", "slots_per_token"]

    def __init__(self, base_config: dict | None = None, ztt: dict | None = None, use_cache: bool = True, **kwargs):
        # Without either, as Transformers makes one to compare with: GPT-2 as it is.
        base_config = GPT2Config().to_dict() if base_config is None else base_config
        ztt = _vanilla(base_config) if ztt is None else ztt
        if ztt.get("version") != 1 or ztt.get("layout") not in _LAYOUTS:
            raise ValueError(
                f"ztt has version {ztt.get('version')!r} and layout {ztt.get('layout')!r}; this code reads version 1 "
                f"and the layouts {', '.join(_LAYOUTS)}."
            )
        self.base_config = copy.deepcopy(base_config)
        self.ztt = copy.deepcopy(ztt)
        self.use_cache = use_cache
        for name, own in _SIZES[self.family].items():
            kwargs[name] = base_config[own]
        for name, default in _SHARED.items():
            kwargs.setdefault(name, self.base(name, default))
        kwargs["num_hidden_layers"] = len(self.slots())
        super().__init__(**kwargs)

    @property
    def family(self) -> str:
        """ "gpt2" or "opt"; where the base config has no model_type yet, its class says it."""
        name = self.base("model_type") or (self.base("architectures") or [""])[0]
        for family in _SIZES:
            if name.lower().startswith(family):
                return family
        raise ValueError(f"base_config is of {name!r}; models of GPT-2 and OPT are supported.")

    def base(self, name: str, default=None):
        """A value of the base config; the default where it has none, or null."""
        value = self.base_config.get(name)
        return default if value is None else value

    def to_dict(self) -> dict:
        """With what was changed at the top level (by `resize_token_embeddings`, say) in `base_config` too."""
        entries = super().to_dict()
        for name, default in _SHARED.items():
            if getattr(self, name) != self.base(name, default):
                entries["base_config"][name] = getattr(self, name)
        return entries

    def slots(self) -> list[Slot]:
        """The executed layers in order: head, the middle `cycles` times, tail."""
        ztt = self.ztt
        layers = [("head", 1, place) for place in range(ztt["head"])]
        for cycle in range(1, ztt["cycles"] + 1):
            layers += [("middle", cycle, place) for place in range(ztt["middle"])]
        layers += [("tail", 1, place) for place in range(ztt["tail"])]
        return [
            Slot(index, part, cycle, place, self._scale(part, place), self._lora(part, cycle, place))
            for index, (part, cycle, place) in enumerate(layers)
        ]

    def _scale(self, part: str, place: int) -> float:
        base, ztt = self.base_config, self.ztt
        if self.family == "opt":
            return (base["hidden_size"] // base["num_attention_heads"]) ** -0.5
        scale = (base["n_embd"] // base["n_head"]) ** -0.5 if self.base("scale_attn_weights", True) else 1.0
        # Averaged layers have the source layers' scales in their weights.
        folded = part == "middle" and ztt["share"] == "average"
        if not self.base("scale_attn_by_inverse_layer_idx") or folded:
            return scale
        source = {
            "head": place,
            "middle": ztt["middle_sources"][place][0] if part == "middle" else 0,
            "tail": base["n_layer"] - ztt["tail"] + place,
        }[part]
        return scale / (source + 1)

    def _lora(self, part: str, cycle: int, place: int) -> str | None:
        lora = self.ztt.get("lora")
        if lora is None:
            return None
        return f"{part}.{place}.{cycle if lora['per'] == 'cycle' else 'shared'}"


def _vanilla(base_config: dict) -> dict:
    """The `ztt` entry of a model whose layers all run once."""
    layers = base_config["n_layer" if base_config["model_type"] == "gpt2" else "num_hidden_layers"]
    counts = {"head": 0, "middle": layers, "tail": 0, "cycles": 1}
    sources = [[layer] for layer in range(layers)]
    return {"version": 1, "layout": "vanilla", **counts, "share": "keep", "middle_sources": sources}
