"""How well zero-cost proxies rank the cells of NAS-Bench-201, against the number of parameters and FLOPs
alone.

    python benchmarks/proxies.py [--path TABLE] [--count 60] [--images digits] [--batch-size 32]

For random architectures of the space, the networks of the hub
(16 channels, 5 cells a stage) are judged by every proxy on one batch, and ranked by it; the table printed
holds the rank correlation with the validation accuracy after 200 epochs on CIFAR-10, a 95 % interval of
Spearman's (bootstrap over architectures), and the seconds that each took (process time, one thread). The
images are not CIFAR-10's, which the project doesn't have: they are handwritten digits in 32x32 pixels and
three equal channels, standardized, or noise of the same shape with labels of its own. A proxy that is not
finite for an architecture ranks it last. It takes about five minutes.
"""

import argparse
import math
import statistics
import time
from functools import wraps
from typing import Any

import numpy as np
import torch
from scipy.stats import kendalltau, spearmanr
from tabular import opened
from torch import Tensor

from retia import datasets, hub
from retia.evaluate import PROXIES, Classification, Probe, Proxy, ZeroCost
from retia.rng import stream
from retia.space import Architecture
from retia.trial import Run

LAST = -1e300
"""The score of an architecture for which a proxy is not finite: it comes last."""


def images(kind: str) -> tuple[Tensor, Tensor]:
    x, y = datasets.digits().train
    if kind == "noise":
        generator = torch.Generator().manual_seed(0)
        return torch.randn(len(x), 3, 32, 32, generator=generator), torch.randint(
            10, (len(x),), generator=generator
        )
    x = torch.nn.functional.interpolate(x.expand(-1, 3, -1, -1), size=32, mode="bilinear")
    return (x - x.mean()) / x.std(), y


def timed(proxy: Proxy, seconds: list[float]) -> Proxy:
    """Return a proxy that is finite, and notes the seconds that it takes."""

    @wraps(proxy)
    def measured(probe: Probe) -> float:
        start = time.process_time()
        score = proxy(probe)
        seconds.append(time.process_time() - start)
        return score if math.isfinite(score) else LAST

    return measured


def interval(scores: Any, accuracies: Any) -> tuple[float, float]:
    """Return the 2.5 and 97.5 % quantiles of Spearman's correlation over bootstrap samples of the
    architectures.
    """
    rng = stream(0, "bootstrap")
    samples = (rng.integers(len(scores), size=len(scores)) for _ in range(1000))
    low, high = np.quantile(
        [spearmanr(scores[sample], accuracies[sample]).statistic for sample in samples], (0.025, 0.975)
    )
    return float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--path", help="the table of NAS-Bench-201; looked for in the folder RETIA_BENCHMARKS if not given"
    )
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--images", choices=("digits", "noise"), default="digits")
    parser.add_argument("--batch-size", type=int, default=32)
    given = parser.parse_args()
    torch.set_num_threads(1)

    table, space = opened(given), hub.get("nasbench201")
    seconds: dict[str, list[float]] = {name: [] for name in PROXIES}
    proxies = [timed(proxy, seconds[name]) for name, proxy in PROXIES.items()]
    data = images(given.images)
    evaluator = ZeroCost(
        Classification(data, data), proxies=proxies, batch_size=given.batch_size, device="cpu"
    )
    chosen: dict[Architecture, None] = {}
    rng = stream(0, "architectures")
    while len(chosen) < given.count:
        chosen[space.sample(rng)] = None

    accuracies = np.array([table.query(architecture)["valid_accuracy"] for architecture in chosen])
    results = [evaluator(architecture, Run(space, seed=0)) for architecture in chosen]
    print(f"{given.count} architectures, {given.images}, batch of {given.batch_size}\n")
    print(f"{'proxy':>10}  {'Spearman':>8}  {'95 %':>14}  {'Kendall':>7}  {'not finite':>10}  {'seconds':>7}")
    for name in (*PROXIES, "params", "flops"):
        scores = np.array([result[name] for result in results])
        low, high = interval(scores, accuracies)
        rho, tau = spearmanr(scores, accuracies).statistic, kendalltau(scores, accuracies).statistic
        took = f"{statistics.median(seconds[name]):.2f}" if name in PROXIES else ""
        print(
            f"{name:>10}  {rho:8.3f}  {low:6.3f}..{high:6.3f}  {tau:7.3f}  "
            f"{int((scores == LAST).sum()):>10}  {took:>7}"
        )


if __name__ == "__main__":
    main()
