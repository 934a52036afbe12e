"""Zero-cost proxies as an evaluator."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, cast

import torch
from torch import Tensor, nn

from retia.cost import Costs
from retia.errors import EvaluationError
from retia.evaluate.data import TensorData
from retia.evaluate.proxies import PROXIES, Probe, Proxy
from retia.evaluate.settings import require_settings
from retia.evaluate.training import Training
from retia.nn import Batch, move, seeded
from retia.rng import stream_seed
from retia.space import Architecture, SearchSpace
from retia.trial import Buildable, Capabilities, Run, as_json, capabilities_of

__all__ = ["ZeroCost"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ZeroCost:
    """Score an architecture by zero-cost proxies of an untrained model and one batch.

    Metrics are the score of each proxy under its name, of which a higher one is better; and always `params`,
    `flops` and `macs`, the baselines that a proxy must beat. Every proxy gets its own model, built from the
    trial's seed. All trials see the same batch: of tensors with class numbers the first samples of each
    class, as balanced as possible; of other tensors the first samples; of a `DataLoader` its first batch.

    Args:
        evaluator: Evaluator with a training, such as `Classification(train, valid)`, whose data, outputs and
            loss are used.
        proxies: Names among "grad_norm", "snip", "grasp", "fisher", "synflow", "jacob_cov", "naswot", "zen"
            and "epe_nas", or functions `probe -> float` (see `Probe`), whose names are those of their
            metrics. Default: all nine.
        batch_size: Number of samples; a `DataLoader` has its own. Default 64.
        device: Device to compute on. Default: a GPU if there is one.

    Raises:
        EvaluationError: If a name is not a proxy, names are not unique, or `evaluator` has no training.

    Reference:
        Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, ICLR 2021. Each proxy names its own paper,
        and how it deviates.
    """

    evaluator: Any = field(kw_only=False)
    proxies: Sequence[str | Proxy] = tuple(PROXIES)
    batch_size: int = 64
    device: str | None = None

    def __post_init__(self) -> None:
        require_settings(type(self).__name__, {"batch_size": self.batch_size})
        if isinstance(self.proxies, str):
            object.__setattr__(self, "proxies", (self.proxies,))
        if capabilities_of(self.evaluator).training is None:
            msg = (
                "ZeroCost takes how models would be trained, such as retia.Classification(train, valid), "
                f"got {type(self.evaluator).__name__}."
            )
            raise EvaluationError(msg)
        object.__setattr__(self, "proxies", tuple(self.proxies))
        names = [_name(proxy) for proxy in self.proxies]
        if not names or len({*names, *self.costs().metrics}) < len(names) + len(self.costs().metrics):
            msg = (
                f"ZeroCost needs proxies of different names, other than {list(self.costs().metrics)}, "
                f"which are always there; got {names}."
            )
            raise EvaluationError(msg)

    def capabilities(self) -> Capabilities:
        """Return the names of the proxies and costs as metrics, and the settings."""
        inner = capabilities_of(self._training)
        return replace(
            inner,
            metrics=(*map(_name, self.proxies), *self.costs().metrics),
            parameters={},
            full_fidelity=None,
            training=None,
            resumes=None,
            release=None,
            settings=self.describe,
        )

    def costs(self) -> Costs:
        """Return what counts a model's costs on the shape of this data."""
        return self._training.costs()

    @cached_property
    def _training(self) -> Training:
        return cast("Callable[[], Training]", capabilities_of(self.evaluator).training)()

    def describe(self) -> dict[str, Any]:
        """Return the settings that results depend on as JSON; data by shape and checksum."""
        return {
            "type": type(self).__name__,
            "evaluator": self._training.describe(),
            "proxies": as_json(self.proxies),
            "batch_size": self.batch_size,
        }

    def __call__(self, architecture: Architecture, run: Run) -> Mapping[str, float]:
        """Return the scores of the proxies for an architecture, and its costs.

        Raises:
            EvaluationError: If the space builds no models, the outputs of the model do not fit the targets,
                or a score is not finite.
        """
        scores = {_name(proxy): self._score(proxy, architecture, run) for proxy in self.proxies}
        return {**scores, **self.costs()(architecture, run)}

    def scorer(self, space: SearchSpace, *, seed: int = 0) -> Callable[[Architecture], float]:
        """Return the first proxy as a function of the architecture, to screen proposals.

        The function returns NaN if the score is not finite.

        Args:
            space: Space of the architectures.
            seed: Seed of the weights, which are the same for every call.

        >>> import torch
        >>> from retia.evaluate import Classification
        >>> from retia.nn import ModelSpace
        >>> from retia.space import choice
        >>> data = torch.ones(2, 3), torch.tensor([0, 1])
        >>> space = ModelSpace(lambda: nn.Linear(3, choice("outputs", [2, 4])))
        >>> score = ZeroCost(Classification(data, data), proxies="synflow").scorer(space)
        >>> score(Architecture({"outputs": 4})) > score(Architecture({"outputs": 2}))
        True
        """
        run = Run(space, seed)

        def score(architecture: Architecture) -> float:
            try:
                return self._score(self.proxies[0], architecture, run)
            except EvaluationError as error:
                if isinstance(error.__cause__, FloatingPointError):
                    return math.nan
                raise

        return score

    def _score(self, proxy: str | Proxy, architecture: Architecture, run: Run) -> float:
        space = run.space
        if not isinstance(space, Buildable):
            msg = (
                f"ZeroCost looks at models, but the space ({type(space).__name__}) builds none. "
                "Search a ModelSpace."
            )
            raise EvaluationError(msg)
        with seeded(run.seed):  # for each proxy, so that scores do not depend on the other proxies
            score = float(
                (PROXIES[proxy] if isinstance(proxy, str) else proxy)(
                    self._probe(space.build(architecture), run)
                )
            )
        if not math.isfinite(score):
            name = _name(proxy)
            msg = (
                f"The proxy '{name}' is {score} for {dict(architecture)}. "
                "Does the model's output depend on its input, and stay finite? "
                f"Exclude such architectures from the space, or leave the proxy out."
            )
            raise EvaluationError(msg) from FloatingPointError(f"{name} is {score}")
        return score

    def _probe(self, model: nn.Module, run: Run) -> Probe:
        training = self._training
        place = torch.device(run.device or self.device or training.place)
        generator = torch.Generator().manual_seed(stream_seed(run.seed, "proxy"))
        return Probe(
            model.to(place).train(),
            replace(training, device=str(place), precision="float32"),
            move(self._batch, place),
            generator,
        )

    @cached_property
    def _batch(self) -> Batch:
        """The batch that all models see, on the CPU."""
        training = self._training
        data = training.data("train")
        if isinstance(data, TensorData):
            targets = training.targets(data.tensors)
            classes = isinstance(targets, Tensor) and targets.ndim == 1 and not targets.is_floating_point()
            return data.taken(_balanced(targets, self.batch_size) if classes else slice(self.batch_size))
        with seeded(0), data.rewound():
            return next(iter(data.batches(self.batch_size)))


def _balanced(y: Tensor, count: int) -> Tensor:
    """Return the indices of the first samples of each class, as balanced as possible, in order."""
    turns = torch.zeros_like(y)  # number of earlier samples of the same class
    for label in y.unique():
        members = y == label
        turns[members] = torch.arange(int(members.sum()), device=y.device)
    return turns.argsort(stable=True)[:count].sort().values


def _name(proxy: str | Proxy) -> str:
    """Return the name of a proxy's metric.

    Raises:
        EvaluationError: If `proxy` is not one of the proxies or a function with a name.
    """
    name = proxy if isinstance(proxy, str) else getattr(proxy, "__name__", None)
    if not isinstance(name, str) or (isinstance(proxy, str) and proxy not in PROXIES):
        msg = (
            f"A proxy is one of {list(PROXIES)}, or a function probe -> float that has a name, got {proxy!r}."
        )
        raise EvaluationError(msg)
    return name
