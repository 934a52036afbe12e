"""What a supernet of small GPTs learns of the characters of Shakespeare's plays, through `LanguageModeling`.

    OMP_NUM_THREADS=1 python benchmarks/language.py [--text FILE] [--seeds N] [--quick]

The space is that of `examples/gpt.py`. SPOS trains one supernet, by whose weights random architectures are
scored, and evolution searches. Its winners are trained alone, beside as many random architectures as take as
many epochs as the supernet and the winners together, beside the space's smallest (the baseline) and largest
architecture. The validation data chooses; the test data follows it in the text, and chooses nothing.

What the losses are compared with, in nats a character: a uniform guess among the characters, and guesses by
the frequencies in the training data of characters (unigrams) and of pairs of characters (bigrams).
"""

import argparse
import math
import statistics
import sys
import time
from pathlib import Path

import torch
from scipy.stats import kendalltau
from torch import Tensor

import retia
from retia.rng import stream
from retia.space import greatest
from retia.strategy import Listed

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "examples"))

from gpt import CONTEXT, GPT, characters  # noqa: E402

TEXT = ROOT.parent / "shared" / "data" / "tinyshakespeare" / "input.txt.gz"
AIM = 3.54
"""Nats a character, which a supernet reached before by a training loop that was written for it."""
FULL = {"used": 200_000, "supernet_epochs": 24, "epochs": 6, "scored": 30, "evolved": 150, "winners": 3}
QUICK = {"used": 10_000, "supernet_epochs": 2, "epochs": 1, "scored": 5, "evolved": 10, "winners": 1}


def frequencies(train: Tensor, valid: Tensor, vocabulary: int) -> tuple[float, float]:
    """Return the losses on the validation data of guesses by the frequencies of characters, and of pairs of
    characters, each counted once more than it is seen.
    """
    pairs = torch.ones(vocabulary, vocabulary, dtype=torch.float64)
    pairs.index_put_((train[:-1], train[1:]), torch.ones((), dtype=torch.float64), accumulate=True)
    single = torch.bincount(train, minlength=vocabulary).double() + 1
    bigram = (pairs / pairs.sum(1, keepdim=True)).log()[valid[:-1], valid[1:]]
    return -float((single / single.sum()).log()[valid].mean()), -float(bigram.mean())


def timed(name: str, started: float) -> None:
    print(f"  {name}: {time.process_time() - started:.0f} s of process time", flush=True)


def searched(space: retia.ModelSpace, judge: object, strategy: object, trials: int, seed: int) -> retia.Study:
    return retia.search(space, judge, strategy, trials=trials, minimize="loss", seed=seed, progress=False)


def measure(
    seed: int,
    tokens: Tensor,
    vocabulary: int,
    *,
    supernet_epochs: int,
    epochs: int,
    scored: int,
    evolved: int,
    winners: int,
) -> None:
    train, valid, test = tokens.split([len(tokens) * 8 // 10, len(tokens) // 10, len(tokens) // 10])
    space = retia.ModelSpace(GPT, vocabulary)
    recipe = retia.LanguageModeling(
        train, valid, test_tokens=test, context=CONTEXT, bytes_per_token=1, epochs=epochs, lr=3e-3
    )
    uniform, (unigram, bigram) = math.log(vocabulary), frequencies(train, valid, vocabulary)
    print(f"\nseed {seed}; {space.size():,} architectures, {len(train):,} characters to train on")
    print(f"uniform {uniform:.3f} nats, unigrams {unigram:.3f}, bigrams {bigram:.3f}, aim {AIM}", flush=True)

    started = time.process_time()
    supernet = retia.oneshot.SPOS(epochs=supernet_epochs).train(space, recipe, seed=seed)
    timed(f"supernet, {supernet_epochs} epochs", started)
    started = time.process_time()
    random = searched(space, supernet, retia.Random(), scored, seed)
    losses = [trial.metrics["loss"] for trial in random.trials]
    print(f"{len(losses)} random subnets, with the supernet's weights: {min(losses):.3f} the best, ", end="")
    print(f"{statistics.fmean(losses):.3f} in the mean, {max(losses):.3f} the worst", flush=True)
    evolution = retia.RegularizedEvolution(population=20, tournament=5)
    found = searched(space, supernet, evolution, evolved, seed)
    timed(f"scoring {scored} and {evolved} by evolution", started)

    first = [trial.architecture for trial in found.top(winners)]
    domains = {label: parameter.domain for label, parameter in space.parameters.items()}
    largest = space.canonical({label: greatest(domain) for label, domain in domains.items()})
    rng = stream(seed, "random architectures")
    drawn = [space.sample(rng) for _ in range((supernet_epochs + winners * epochs) // epochs)]
    groups = {"evolution": first, "random": drawn, "largest": [largest], "smallest": [space.default()]}
    everything = list(dict.fromkeys([space.default(), *first, *drawn, largest]))
    by_supernet = searched(space, supernet, Listed(everything), len(everything), seed)
    started = time.process_time()
    alone = searched(space, recipe, Listed(everything), len(everything), seed)
    timed(f"{len(everything)} architectures alone, {epochs} epochs each", started)

    print("\n| best of | trained | params | by the supernet | alone | alone, test | test, bits | seconds |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    for name, group in groups.items():
        trials = [alone.history.find(architecture, None) for architecture in group]
        best = min(trials, key=lambda trial: trial.metrics["loss"])
        metrics, given = best.metrics, by_supernet.history.find(best.architecture, None).metrics["loss"]
        print(
            f"| {name} | {len(group)} | {metrics['params']:,.0f} | {given:.3f} | {metrics['loss']:.3f} | "
            f"{metrics['test_loss']:.3f} | {metrics['test_loss'] / math.log(2):.3f} | "
            f"{sum(trial.seconds for trial in trials):.0f} |"
        )
    pairs = [
        (by_supernet.history.find(one, None).metrics["loss"], trial.metrics["loss"], trial.metrics["params"])
        for one in drawn
        if (trial := alone.history.find(one, None))
    ]
    ours, theirs, params = zip(*pairs, strict=True)
    tau, by_size = kendalltau(ours, theirs).statistic, kendalltau([-one for one in params], theirs).statistic
    print(f"\nKendall's tau among the {len(pairs)} random ones: {tau:.2f}; by parameters: {by_size:.2f}")
    print(f"the best by evolution: {dict(first[0])}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--text", type=Path, default=TEXT, help=f"a text file, may be gzipped; {TEXT}")
    parser.add_argument("--seeds", type=int, default=1, help="how many supernets")
    parser.add_argument("--quick", action="store_true", help="to see that it runs, not to measure")
    options = parser.parse_args()
    if not options.text.exists():
        parser.error(f"there is no '{options.text}'; give --text")
    torch.set_num_threads(1)
    scale = dict(QUICK if options.quick else FULL)
    tokens, vocabulary = characters(options.text)
    tokens = tokens[: scale.pop("used")]
    print(f"torch {torch.__version__}, 1 thread")
    for seed in range(options.seeds):
        measure(seed, tokens, vocabulary, **scale)


if __name__ == "__main__":
    main()
