import json

import pytest


@pytest.mark.slow
def test_the_demo_searches_reports_exports_and_resumes(retia, folder):
    small = ("demo", "--trials", 3, "--epochs", 1, "--workers", 1)
    result = retia(*small)
    assert "started study 'digits': 3 trials" in result.stderr
    assert "started study 'digits/random': 3 trials" in result.stderr
    for part in (
        "Pareto front",
        "gained over the baseline",
        "gained over random search at the same budget, 3 trials each",
        "on the held-out test data",
    ):
        assert part in result.stdout
    made = {
        path.relative_to(folder / "retia-demo").as_posix()
        for path in (folder / "retia-demo").rglob("*")
        if path.is_file()
    }
    assert made >= {
        "retia.db",
        "plots/progress.png",
        "plots/pareto.png",
        "best/program.pt2",
        "best/weights.safetensors",
        "best/architecture.json",
    }
    again = retia(*small, "--json")
    assert "resumed study 'digits': 3 of 3 trials done" in again.stderr
    data = json.loads(again.stdout)
    assert data["trials"]["completed"] == 3
    assert data["against_random"]["budget"] == 3
    assert 0 < data["test_accuracy"] <= 1
