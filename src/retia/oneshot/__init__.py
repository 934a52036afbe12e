"""One-shot methods: a supernet is trained once, and ranks architectures."""

from retia.oneshot.cost.penalty import BoundPenalty, Penalty
from retia.oneshot.darts import DARTS
from retia.oneshot.differentiable import Differentiable
from retia.oneshot.drnas import DrNAS
from retia.oneshot.enas import ENAS
from retia.oneshot.fairnas import FairNAS
from retia.oneshot.fbnet import FBNet
from retia.oneshot.gdas import GDAS
from retia.oneshot.once_for_all import OnceForAll
from retia.oneshot.one_shot import OneShot
from retia.oneshot.paths.sampling import PathSampler, PathSession
from retia.oneshot.pcdarts import PCDARTS
from retia.oneshot.proxylessnas import ProxylessNAS
from retia.oneshot.sandwich import Sandwich
from retia.oneshot.snas import SNAS
from retia.oneshot.spos import SPOS
from retia.oneshot.stored_supernet import load_supernet
from retia.oneshot.supernet_evaluator import SupernetEvaluator
from retia.oneshot.training.session import Batch, Session, Setting, TrainingBatch

__all__ = [
    "DARTS",
    "ENAS",
    "GDAS",
    "PCDARTS",
    "SNAS",
    "SPOS",
    "Batch",
    "BoundPenalty",
    "Differentiable",
    "DrNAS",
    "FBNet",
    "FairNAS",
    "OnceForAll",
    "OneShot",
    "PathSampler",
    "PathSession",
    "Penalty",
    "ProxylessNAS",
    "Sandwich",
    "Session",
    "Setting",
    "SupernetEvaluator",
    "TrainingBatch",
    "load_supernet",
]
