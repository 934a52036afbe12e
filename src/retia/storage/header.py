"""The header of a study: space, evaluator, objectives, constraints, seed and baseline, as data."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, cast, get_args

from retia.errors import RetiaError, StorageError
from retia.space import Condition, SearchSpace
from retia.trial import Constraint, Direction, Objective

__all__ = ["UNREADABLE", "Header"]

UNREADABLE = (ArithmeticError, AttributeError, LookupError, RecursionError, RetiaError, TypeError, ValueError)
"""Errors of reading data that another program has changed."""


@dataclass(frozen=True)
class Header:
    """The data that identify a study, equal before and after a round trip through JSON.

    Args:
        name: Name of the study, unique in its storage.
        space: Search space as JSON: `SearchSpace.to_json()`.
        evaluator: Evaluator as JSON: its name and its fields.
        objectives: Objectives of the study.
        constraints: Constraints that an architecture must meet.
        seed: Seed from which every random number of the study follows. Default 0.
        baseline: Architecture that trial 0 evaluates. Default None, for no baseline.

    Raises:
        StorageError: If `name` is empty, or `space`, `evaluator` or `baseline` can't be written as JSON.
    """

    name: str
    space: dict[str, Any]
    evaluator: dict[str, Any]
    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...] = ()
    seed: int = 0
    baseline: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name or "\0" in self.name:  # pyright: ignore[reportUnnecessaryIsInstance]  # read back
            msg = (
                f"A study's name must be a non-empty string, got {self.name!r}. Name it: Study(..., "
                "name='mine')."
            )
            raise StorageError(msg)
        for field in ("space", "evaluator", "baseline"):
            try:
                plain = json.loads(json.dumps(getattr(self, field)))
            except (TypeError, ValueError) as error:
                got = getattr(self, field)
                msg = (
                    f"The {field} of study '{self.name}' must be JSON, got {got!r} ({error}). Give numbers, "
                    "strings, lists, dictionaries."
                )
                raise StorageError(msg) from None
            object.__setattr__(self, field, plain)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that `from_json` reads."""
        return {
            "name": self.name,
            "space": self.space,
            "evaluator": self.evaluator,
            "objectives": [[one.metric, one.direction] for one in self.objectives],
            "constraints": [
                {"metric": one.metric, "upper": one.upper, "lower": one.lower} for one in self.constraints
            ],
            "seed": self.seed,
            "baseline": self.baseline,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Header":
        """Read the object that `to_json` wrote.

        Raises:
            StorageError: If `data` is not a valid header.
        """
        try:
            header = cls(
                name=data["name"],
                space=data["space"],
                evaluator=data["evaluator"],
                objectives=tuple(Objective(metric, direction) for metric, direction in data["objectives"]),
                constraints=tuple(Constraint(**one) for one in data["constraints"]),
                seed=data["seed"],
                baseline=data["baseline"],
            )
            SearchSpace.from_json(header.space)
            for one in (*header.objectives, *header.constraints):
                _require(one.metric, str)
            for one in header.objectives:
                _require(one.direction, str, among=get_args(Direction))
            _require(header.seed, int)
            _require(header.evaluator, dict)
            _require(header.evaluator.get("prepared_by"), dict, type(None))
            _require(header.baseline, dict, type(None))
        except UNREADABLE as error:
            needed = ", ".join(field.name for field in fields(cls))
            msg = (
                f"A study's header needs {needed}; this one can't be read ({type(error).__name__}: "
                f"{error}). Was it written by another program?"
            )
            raise StorageError(msg) from None
        else:
            return header

    def differences(self, other: "Header") -> list[str]:
        r"""Return the differences between two headers, one line each; empty if they describe the same study.

        The names are not compared, because a study is found by its name.

        >>> objectives = (Objective("accuracy", "maximize"),)
        >>> domains = ({"type": "integer", "low": 1, "high": high} for high in (4, 8))
        >>> old, new = ({"parameters": {"width": {"domain": domain}}} for domain in domains)
        >>> earlier = Header("s", old, {"epochs": 1}, objectives)
        >>> print(*earlier.differences(Header("s", new, {"epochs": 5}, objectives)), sep="\n")
        space: 'width' was integer(low=1, high=4), is integer(low=1, high=8)
        evaluator: 'epochs' was 1, is 5
        """
        return [
            *_space_differences(self.space, other.space),
            *(
                f"evaluator: {line}"
                for line in _changes(dict(_leaves(self.evaluator)), dict(_leaves(other.evaluator)))
            ),
            *_whole("objectives", _listed(self.objectives), _listed(other.objectives)),
            *_whole("constraints", _listed(self.constraints), _listed(other.constraints)),
            *_whole("seed", str(self.seed), str(other.seed)),
            *_whole("baseline", _shown(self.baseline), _shown(other.baseline)),
        ]


def _require(value: object, *kinds: type, among: Sequence[object] = ()) -> None:
    if type(value) not in kinds or (among and value not in among):
        msg = f"{value!r} is not {' or '.join(map(str, among)) or kinds[0].__name__}"
        raise TypeError(msg)


def _space_differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    before, after = _parameters(old), _parameters(new)
    for line in _changes(
        {label: one[0] for label, one in before.items()}, {label: one[0] for label, one in after.items()}
    ):
        yield f"space: {line}"
    for label in before:
        if label in after and before[label][1] != after[label][1]:
            yield f"space: the condition of '{label}' was {before[label][1]}, is {after[label][1]}"
    shared = [label for label in before if label in after]
    if shared != [label for label in after if label in before]:
        yield f"space: the order of the parameters was {list(before)}, is {list(after)}"
    rest = [
        {key: json.dumps(value) for key, value in space.items() if key != "parameters"}
        for space in (old, new)
    ]
    for line in _changes(rest[0], rest[1]):
        yield f"space: {line}"


def _parameters(space: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return the domain and the condition of each label, as text."""
    shown: dict[str, tuple[str, str]] = {}
    for label, parameter in cast("dict[str, dict[str, Any]]", space.get("parameters", {})).items():
        kind, *values = parameter["domain"].items()
        domain = f"{kind[1]}({', '.join(f'{name}={value!r}' for name, value in values)})"
        shown[label] = (
            domain,
            str(Condition.from_json(parameter["condition"])) if "condition" in parameter else "always",
        )
    return shown


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, inner in cast("dict[str, Any]", value).items():
            yield from _leaves(inner, f"{path}.{key}" if path else key)
    else:
        yield path, repr(value)


def _changes(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for key in old:
        if key not in new:
            yield f"'{key}' is gone, was {old[key]}"
        elif old[key] != new[key]:
            yield f"'{key}' was {old[key]}, is {new[key]}"
    for key in new:
        if key not in old:
            yield f"'{key}' is new: {new[key]}"


def _whole(what: str, old: str, new: str) -> Iterator[str]:
    if old != new:
        yield f"{what}: was {old}, is {new}"


def _listed(bounds: Iterable[Objective | Constraint]) -> str:
    return ", ".join(str(one) for one in bounds) or "none"


def _shown(baseline: Mapping[str, Any] | None) -> str:
    return "none" if baseline is None else json.dumps(baseline, sort_keys=True)
