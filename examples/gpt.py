"""Search a small GPT on characters of Shakespeare's plays: by ASHA over a training loop of your own, which
goes on where it has stopped, and then, in the same space, by one supernet.

python examples/gpt.py --text ../shared/data/tinyshakespeare/input.txt.gz, or any text file; --quick for a
first look
"""

import argparse
import gzip
import math
from pathlib import Path

import torch
from torch import nn

import retia
from retia.report import one_shot_report

CONTEXT = 64


def characters(path):
    """Return the characters of a text file, also a gzipped one, as numbers (N,), and how many distinct
    characters there are.
    """
    data = Path(path).read_bytes()
    text = (gzip.decompress(data) if str(path).endswith(".gz") else data).decode("utf-8")
    vocabulary = {character: number for number, character in enumerate(sorted(set(text)))}
    return torch.tensor([vocabulary[character] for character in text]), len(vocabulary)


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.heads = retia.choice("heads", [2, 4, 8])
        hidden = retia.choice("ratio", [2, 4]) * width
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value, self.project = (nn.Linear(width, width) for _ in range(4))
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, x):  # (B, T, D)
        normed = self.norm1(x)
        query, key, value = (
            layer(normed).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, heads, T, D / heads)
            for layer in (self.query, self.key, self.value)
        )
        attended = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.project(attended.transpose(1, 2).flatten(2))
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        width = retia.choice("width", [32, 48, 64])
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = retia.tensor_parameter(
            (1, CONTEXT, width), init=lambda x: nn.init.normal_(x, std=0.02)
        )
        self.blocks = retia.repeat("blocks", lambda i: Block(width), (1, 4))
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, vocabulary))

    def forward(self, tokens):  # (B, T)
        return self.head(self.blocks(self.tokens(tokens) + self.positions))  # (B, T, vocabulary)


def windows(tokens):
    """Return inputs and targets, each (windows, T)."""
    count = (len(tokens) - 1) // CONTEXT
    return tokens[: count * CONTEXT].view(count, -1), tokens[1 : count * CONTEXT + 1].view(count, -1)


def loss_of(model, data):
    x, y = data
    return nn.functional.cross_entropy(model(x).flatten(0, 1), y.flatten())


def fit(model, run, train, valid, epochs):
    """Train a model, from where this trial, or the one that it was promoted from, has stopped."""
    x, y = windows(train)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * math.ceil(len(x) / 64))
    done = run.resume(model, optimizer, schedule)
    for epoch in range(done, epochs):
        model.train()
        for batch in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            loss_of(model, (x[batch], y[batch])).backward()
            optimizer.step()
            schedule.step()
        run.save(model, optimizer, schedule, step=epoch + 1)
        model.eval()
        with torch.no_grad():
            yield {"loss": loss_of(model, windows(valid)).item(), "epochs_trained": epoch + 1 - done}


def tell(what, trial):
    loss = trial.metrics["loss"]
    print(f"{what}: {loss:.3f} nats, {loss / math.log(2):.3f} bits a character: {dict(trial.architecture)}")


def main(text, trials=24, epochs=9, supernet_epochs=27, scored=50, retrain=3, characters_used=100_000):
    tokens, vocabulary = characters(text)
    train, valid = tokens[:characters_used].split([characters_used * 9 // 10, -(-characters_used // 10)])
    space = retia.ModelSpace(GPT, vocabulary)
    print(f"{space.size():,} architectures; a guess costs {math.log(vocabulary):.3f} nats a character")

    own = retia.evaluator(fit, train=train, valid=valid, epochs=epochs)
    evolution = retia.RegularizedEvolution(population=8, tournament=3)
    asha = retia.strategy.ASHA(evolution, fidelities=(epochs // 9, epochs // 3, epochs))
    study = retia.search(space, own, asha, trials=trials, minimize="loss", progress=False)
    tell("your own loop under ASHA", study.best)
    spent = sum(trial.metrics["epochs_trained"] for trial in study.trials)
    again = sum(trial.fidelity or epochs for trial in study.trials)
    print(f"  {len(study.trials)} trials, {spent:g} epochs; without run.resume they would take {again:g}")

    recipe = retia.LanguageModeling(train, valid, context=CONTEXT, bytes_per_token=1, epochs=epochs, lr=3e-3)
    method = retia.oneshot.SPOS(epochs=supernet_epochs)
    one_shot = retia.search(
        space, recipe, method, trials=scored, minimize="loss", retrain=retrain, control=True, progress=False
    )
    tell("the best of a supernet, with its weights", one_shot.best)
    tell("the best of a supernet, retrained", one_shot.retrained.best)
    tell("random search for as long", one_shot.control.best)
    for question, answer in one_shot_report(one_shot).rows():
        print(f"  {question}: {answer}")
    return study, one_shot


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--text", required=True, help="a text file, may be gzipped")
    parser.add_argument("--quick", action="store_true", help="a few trials on 20,000 characters")
    parsed = parser.parse_args()
    quick = {"trials": 8, "supernet_epochs": 9, "scored": 10, "retrain": 1, "characters_used": 20_000}
    main(parsed.text, **(quick if parsed.quick else {}))
