"""Zero-cost proxies: scores of an untrained network on one batch. A higher score is better."""

from collections.abc import Mapping
from types import MappingProxyType

from retia.evaluate.proxies.epe_nas import epe_nas
from retia.evaluate.proxies.fisher import fisher
from retia.evaluate.proxies.grad_norm import grad_norm
from retia.evaluate.proxies.grasp import grasp
from retia.evaluate.proxies.jacob_cov import jacob_cov
from retia.evaluate.proxies.naswot import naswot
from retia.evaluate.proxies.probe import Probe, Proxy
from retia.evaluate.proxies.snip import snip
from retia.evaluate.proxies.synflow import synflow
from retia.evaluate.proxies.zen import zen

__all__ = [
    "PROXIES",
    "Probe",
    "Proxy",
    "epe_nas",
    "fisher",
    "grad_norm",
    "grasp",
    "jacob_cov",
    "naswot",
    "snip",
    "synflow",
    "zen",
]

PROXIES: Mapping[str, Proxy] = MappingProxyType(
    {
        "grad_norm": grad_norm,
        "snip": snip,
        "grasp": grasp,
        "fisher": fisher,
        "synflow": synflow,
        "jacob_cov": jacob_cov,
        "naswot": naswot,
        "zen": zen,
        "epe_nas": epe_nas,
    }
)
"""The proxies by name, the name of their metric."""
