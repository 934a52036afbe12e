"""One-shot methods: they train a supernet, which then ranks architectures."""

from retia.oneshot.fairnas import FairNAS
from retia.oneshot.method import Batch, Lesson, Session, Setting
from retia.oneshot.one_shot import OneShot
from retia.oneshot.sandwich import Sandwich
from retia.oneshot.spos import SPOS
from retia.oneshot.supernet_evaluator import SupernetEvaluator

__all__ = [
    "SPOS",
    "Batch",
    "FairNAS",
    "Lesson",
    "OneShot",
    "Sandwich",
    "Session",
    "Setting",
    "SupernetEvaluator",
]
