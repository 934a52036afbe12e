"""ENAS: a controller learns by reinforcement which paths are good."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from retia.errors import EvaluationError
from retia.nn import Batch
from retia.oneshot.one_shot import OneShot, refuse_real_interval
from retia.oneshot.paths.controller import Controller
from retia.oneshot.paths.sampling import PathSampler
from retia.oneshot.training.running_statistics import running_statistics_kept
from retia.oneshot.training.session import Session, Setting, TrainingBatch
from retia.rng import stream, stream_seed
from retia.space import Architecture, SearchSpace

__all__ = ["ENAS"]

ESTIMATED_FROM = 30
"""Number of the controller's samples from which probabilities are estimated."""


@dataclass(frozen=True, kw_only=True)
class ENAS(OneShot):
    """Train paths that a controller samples, and the controller by REINFORCE on held-out batches.

    The reward of a path is its accuracy on a held-out batch if targets are class numbers and outputs are
    scores of classes. Otherwise it is exp(-loss), or 1 - loss for a loss below 0, where the exponential would
    overflow: both fall as the loss rises, and are equal at 0. Penalties on the cost of the path change the
    reward; those that multiply come before those that subtract. The running statistics of batch norms do not
    change while a path is rewarded. `ranked` yields the controller's samples, the most probable first, and
    then random architectures.

    The controller does not know restrictions and bounds: its samples are rejected until one meets them, and
    its gradient is that of the distribution before the rejection. After a thousand rejections in a row, a
    random allowed path is taken instead.

    With a few hundred training steps, several `samples` and a learning rate of 1e-3 converge sooner. With
    higher rates the controller converges before the weights are trained well enough.

    Args:
        samples: Number of paths over which the controller's gradient is averaged in each step. Default 1.
        hidden: Number of hidden units of the controller. Default 100.
        learning_rate: Learning rate of the controller (Adam). Default 3.5e-4.
        entropy_weight: Weight of the entropy of the controller's decisions, in nats. Default 1e-4.
        baseline_decay: Decay of the moving average of the rewards, which is subtracted from them. Default
            0.99.
        tanh_constant: Greatest logit. Default 2.5.
        temperature: Divisor of the logits before the tanh that bounds them. Default 5.
        candidates: Number of samples that are ranked. Default 1,000; a space with fewer architectures is
            ranked completely.

    Raises:
        EvaluationError: If an argument is out of its range.

    Reference:
        Pham et al., Efficient Neural Architecture Search via Parameter Sharing, ICML 2018, sections 2.1, 2.2
        and 3.1. The decay is that of the authors' code. Deviations: the entropy enters by its own gradient
        and not as a reward, for as a reward it has no effect on a decision that no other follows; the
        controller learns in each step and not after each epoch, from paths in training mode; the baseline
        begins at the first reward; see `Controller` for its layers.
    """

    learns_choices: ClassVar[bool] = True

    samples: int = 1
    hidden: int = 100
    learning_rate: float = 3.5e-4
    entropy_weight: float = 1e-4
    baseline_decay: float = 0.99
    tanh_constant: float = 2.5
    temperature: float = 5.0
    candidates: int = 1_000

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("samples", "hidden", "candidates"):
            if getattr(self, name) < 1:
                msg = f"'{name}' of ENAS must be at least 1, got {getattr(self, name)}."
                raise EvaluationError(msg)
        for name in ("learning_rate", "tanh_constant", "temperature"):
            if not getattr(self, name) > 0:
                msg = f"'{name}' of ENAS must be above 0, got {getattr(self, name)}."
                raise EvaluationError(msg)
        if self.entropy_weight < 0 or not 0 <= self.baseline_decay < 1:
            msg = (
                "ENAS needs entropy_weight >= 0 and baseline_decay from 0 to below 1, "
                f"got entropy_weight={self.entropy_weight}, "
                f"baseline_decay={self.baseline_decay}."
            )
            raise EvaluationError(msg)

    def refuse(self, space: SearchSpace) -> str | None:
        """Return why the method can't search a space: a real interval has infinitely many values."""
        return refuse_real_interval(space, "and the controller of ENAS needs a finite number of values")

    def session(self, setting: Setting) -> Session:
        """Start a training session.

        Raises:
            StudyError: If no architecture meets the bounds.
        """
        return _Session(setting, self)


class _Session(Session):
    def __init__(self, setting: Setting, method: ENAS) -> None:
        super().__init__(setting)
        self._method = method
        self._sampler = PathSampler(setting)
        self._controller = Controller(
            self.supernet.space,
            hidden=method.hidden,
            tanh_constant=method.tanh_constant,
            temperature=method.temperature,
            seed=stream_seed(setting.seed, "controller"),
        )
        self._optimizer = torch.optim.Adam(self._controller.parameters(), lr=method.learning_rate)
        self._baseline: float | None = None

    def train_batch(self, item: TrainingBatch) -> float:
        """Train a path that the controller samples."""
        self.supernet.activate(self._sample(item.generator, item.rng))
        loss = self.setting.loss(item.batch)
        item.scale(loss).backward()
        return float(loss.detach())

    def search(self, item: TrainingBatch) -> Mapping[str, float]:
        """Train the controller on a held-out batch; return the mean reward and entropy."""
        batch = item.held_out()
        if not self.counts(batch):
            return {}
        seed = stream_seed(item.seed, "search")
        generator, rng = torch.Generator().manual_seed(seed), stream(seed, "rejected")
        loss = torch.zeros(())
        rewards, entropies = list[float](), list[float]()
        for _ in range(self._method.samples):
            path = self._sample(generator, rng)
            reward = self._reward(path, batch)
            baseline = reward if self._baseline is None else self._baseline
            log_probability, entropy = self._controller.score(path)
            loss = loss - (reward - baseline) * log_probability - self._method.entropy_weight * entropy
            self._baseline = (
                self._method.baseline_decay * baseline + (1 - self._method.baseline_decay) * reward
            )
            rewards.append(reward)
            entropies.append(float(entropy.detach()))
        self._optimizer.zero_grad(set_to_none=True)
        if loss.requires_grad:  # False if no parameter has two values
            (loss / self._method.samples).backward()
            self._optimizer.step()
        return {"reward": float(np.mean(rewards)), "controller_entropy": float(np.mean(entropies))}

    def ranked(self) -> Iterator[Architecture]:
        """Yield the controller's samples, the most probable first, and then random architectures."""
        space = self.supernet.space
        if space.size_before_restrictions() <= self._method.candidates:
            found = {path: None for path in space.enumerate() if self._sampler.allows(path)}
        else:
            generator = torch.Generator().manual_seed(stream_seed(self.setting.seed, "ranked"))
            samples = (self._controller.sample(generator)[0] for _ in range(self._method.candidates))
            found = {path: None for path in samples if self._sampler.allows(path)}
        with torch.no_grad():
            scores = {path: float(self._controller.score(path)[0]) for path in found}
        yield from sorted(scores, key=lambda path: scores[path], reverse=True)
        yield from self._sampler.unseen(stream(self.setting.seed, "ranked"), but=set(scores))

    def probabilities(self) -> Mapping[str, np.ndarray[Any, Any]]:
        """Return the probability of each value of an active parameter, averaged over samples."""
        generator = torch.Generator().manual_seed(stream_seed(self.setting.seed, "probabilities"))
        found: dict[str, list[Tensor]] = {}
        for _ in range(ESTIMATED_FROM):
            for label, probabilities in self._controller.sample(generator)[1].items():
                found.setdefault(label, []).append(probabilities)
        return {label: torch.stack(rows).mean(0).numpy() for label, rows in found.items()}

    def state_dict(self) -> dict[str, Any]:
        """Return the controller, the state of its optimizer, and the baseline."""
        return {
            "controller": self._controller.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "baseline": self._baseline,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self._controller.load_state_dict(state["controller"])
        self._optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))  # torch keeps the very tensors
        self._baseline = state["baseline"]

    def _sample(self, generator: torch.Generator, rng: np.random.Generator) -> Architecture:
        """Draw an allowed path from the controller."""
        return self._sampler.accepted(
            lambda: self._controller.sample(generator)[0], lambda: self._sampler.sample(rng)
        )

    @torch.no_grad()
    def _reward(self, path: Architecture, batch: Batch) -> float:
        self.supernet.activate(path)
        with running_statistics_kept([self.supernet]):
            quality = self.setting.training.reward(self.supernet, batch)
        for penalty in self.setting.penalties:
            quality = penalty.reward(quality, penalty.cost(path))
        return quality
