"""Choices between layers."""

from functools import lru_cache

from torch import nn

from retia.errors import SpaceError
from retia.nn.factory import Candidates, construct, named
from retia.nn.mixed_layer import MixedLayer
from retia.space import Categorical, Clause, Condition, Tracer, active_recorder, declare, labelled

__all__ = ["layer_choice"]


@labelled("layer_choice('act', [nn.ReLU, nn.GELU])")
def layer_choice(label: str, candidates: Candidates = (), *, default: str | int | None = None) -> nn.Module:
    """Choose one of several layers.

    Parameters declared in a candidate are named `label/candidate/...`, and are active while it is chosen.

    Args:
        label: Name of the parameter, unique in its scope (see `choice`).
        candidates: Factories (classes, functions without arguments, or modules, which are copied) by name; or
            a list, named by the classes, or by 0, 1, 2, ... if the classes are not distinct.
        default: Name of the candidate outside a search and in the baseline. Default: the first.

    Returns:
        The chosen module itself; a `MixedLayer` of all candidates while tracing and in a supernet.

    Raises:
        SpaceError: If `candidates` is empty, a candidate can't be built or does not make a module, or
            `default` is not the name of a candidate.

    >>> layer_choice("act", {"relu": nn.ReLU, "gelu": nn.GELU})
    ReLU()
    """
    factories = named(label, candidates)
    if default is not None and default not in factories:
        msg = f"The default of layer_choice({label!r}) must be one of {list(factories)}, got {default!r}."
        raise SpaceError(msg)
    domain = _domain(default, *factories)
    recorder = active_recorder()
    if recorder is None:
        chosen = declare(label, domain)
        return construct(label, chosen, factories[chosen])
    full = recorder.qualify(label)
    chosen = recorder.declare(full, domain)
    if not isinstance(recorder, Tracer):
        with recorder.scope(f"{label}/{chosen}"):
            return construct(full, chosen, factories[chosen])
    modules: dict[str | int, nn.Module] = {}
    for name, factory in factories.items():
        condition = Condition(((Clause(full, frozenset({name})),),))
        with recorder.given(condition), recorder.scope(f"{label}/{name}"):
            modules[name] = construct(full, name, factory)
    return MixedLayer(full, modules, chosen)


@lru_cache(maxsize=1024, typed=True)
def _domain(default: str | int | None, *names: str | int) -> Categorical:
    return Categorical(names, default=names[0] if default is None else default)
