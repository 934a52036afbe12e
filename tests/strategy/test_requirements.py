import pytest

from retia.errors import StudyError
from retia.strategy.requirements import require_installed


def test_an_extra_that_is_missing_is_named():
    require_installed("numpy", extra="none", by="Anything")
    with pytest.raises(
        StudyError,
        match=r"CMAES requires no_such_module, which is not installed. Install it: pip install 'retia\[optuna\]'",
    ):
        require_installed("no_such_module", extra="optuna", by="CMAES")
