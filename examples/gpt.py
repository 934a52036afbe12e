"""Search a small GPT on characters of Shakespeare's plays, by ASHA: short trainings of many, and the whole
training of the best.

python examples/gpt.py --text ../shared/data/tinyshakespeare/input.txt.gz, or any text file; --quick for a
first look
"""

import argparse
import gzip
from pathlib import Path

import torch
from torch import nn

import retia


def characters(path):
    """Return the characters of a text file, also a gzipped one, as numbers (N,), and how many distinct
    characters there are.
    """
    data = Path(path).read_bytes()
    text = (gzip.decompress(data) if str(path).endswith(".gz") else data).decode("utf-8")
    vocabulary = {character: number for number, character in enumerate(sorted(set(text)))}
    return torch.tensor([vocabulary[character] for character in text]), len(vocabulary)


class Block(nn.Module):
    def __init__(self, width, heads, ratio):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value, self.project = (nn.Linear(width, width) for _ in range(4))
        self.mlp = nn.Sequential(nn.Linear(width, ratio * width), nn.GELU(), nn.Linear(ratio * width, width))

    def forward(self, x):
        normed = self.norm1(x)  # (B, T, D)
        query, key, value = (
            layer(normed).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        attended = nn.functional.scaled_dot_product_attention(
            query, key, value, is_causal=True
        )  # (B, heads, T, D / heads)
        x = x + self.project(attended.transpose(1, 2).flatten(2))
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    def __init__(self, vocabulary, context):
        super().__init__()
        width, heads = retia.choice("width", [32, 48, 64]), retia.choice("heads", [2, 4, 8])
        ratio = retia.choice("ratio", [2, 4])
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = retia.tensor_parameter(
            (1, context, width), init=lambda weight: nn.init.normal_(weight, std=0.02)
        )
        self.blocks = retia.repeat("blocks", lambda i: Block(width, heads, ratio), (1, 4))
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, vocabulary))

    def forward(self, tokens):  # (B, T)
        return self.head(self.blocks(self.tokens(tokens) + self.positions))  # (B, T, vocabulary)


def main(text, trials=24, epochs=9, context=64, characters_used=200_000, storage=None):
    tokens, vocabulary = characters(text)
    tokens = tokens[:characters_used]
    split = len(tokens) * 9 // 10
    evaluator = retia.LanguageModeling(
        tokens[:split],
        tokens[split:],
        context=context,
        bytes_per_token=1,
        epochs=epochs,
        lr=3e-3,
        warmup_epochs=1,
    )
    strategy = retia.ASHA(
        retia.RegularizedEvolution(population=8, tournament=3), fidelities=(epochs // 9, epochs // 3, epochs)
    )
    space = retia.ModelSpace(GPT, vocabulary, context)
    study = retia.search(
        space, evaluator, strategy, trials=trials, minimize="loss", storage=storage, progress=False
    )
    best = study.best
    print(
        f"{best.metrics['loss']:.3f} nats, {best.metrics['bits_per_byte']:.3f} bits a character: "
        f"{dict(best.architecture)}"
    )
    return study


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--text", required=True, help="a text file, may be gzipped")
    parser.add_argument("--quick", action="store_true", help="six trials on 20,000 characters")
    parsed = parser.parse_args()
    main(parsed.text, **({"trials": 6, "characters_used": 20_000} if parsed.quick else {}))
