"""The record of a study, its header and its trials, in memory, SQLite or PostgreSQL."""

from retia.storage.database import Database, StudySummary
from retia.storage.header import Header
from retia.storage.memory import MemoryRecord
from retia.storage.record import StudyReader, StudyRecord, TrialWriter

__all__ = ["Database", "Header", "MemoryRecord", "StudyReader", "StudyRecord", "StudySummary", "TrialWriter"]
