import json

from retia.report import overview, record, records, to_html


def test_rows_are_flat_and_alike(searched):
    rows = records(searched([(0.5, 100.0), None, (0.7, 150.0)]))
    assert len({tuple(row) for row in rows}) == 1
    assert [row["metrics.accuracy"] for row in rows] == [0.5, None, 0.7]
    assert [row["architecture.a"] for row in rows] == [1, 2, 3]
    assert [row["front"] for row in rows] == [True, False, True]
    assert [row["state"] for row in rows] == ["completed", "failed", "completed"]
    assert "it broke" in rows[1]["error"]
    assert rows[0]["seconds"] == rows[0]["ended"] - rows[0]["started"]


def test_a_record_is_json_as_stored(searched):
    trial = searched().trials[4]
    data = json.loads(json.dumps(record(trial)))
    assert data["number"] == 4
    assert data["metrics"] == {"accuracy": 0.9, "params": 400.0}
    assert data["architecture"] == {"a": 5, "b": "x"}
    assert data["key"] == trial.architecture.key
    assert data["error"] is None


def test_the_overview_holds_what_came_out(searched):
    data = json.loads(json.dumps(overview(searched(against=[(0.1, 500.0)] * 5))))
    assert data["name"] == "known"
    assert data["objectives"] == [
        {"metric": "accuracy", "direction": "maximize"},
        {"metric": "params", "direction": "minimize"},
    ]
    assert data["trials"] == {"running": 0, "completed": 5, "failed": 0, "infeasible": 0}
    assert data["best"]["number"] == 4
    assert [trial["number"] for trial in data["front"]] == [2, 3, 4]
    assert data["stop_reason"] == "trials done"
    assert data["against_baseline"]["gains"][0]["gained"] > 0
    assert data["against_random"]["budget"] == 5
    assert (
        data["against_random"]["hypervolume"]["search"] > data["against_random"]["hypervolume"]["reference"]
    )


def test_the_overview_of_a_study_without_a_result_is_json_too(searched):
    data = json.loads(json.dumps(overview(searched([None] * 3))))
    assert data["best"] is None
    assert data["front"] == []
    assert data["against_baseline"] is None


def test_a_notebook_shows_the_front_and_the_gains(searched):
    page = to_html(searched(against=[(0.1, 500.0)] * 5, name="<known>"))
    assert "&lt;known&gt;" in page
    assert "<known>" not in page
    assert "<caption>Pareto front</caption>" in page
    assert "<td>0.9</td><td>400</td>" in page
    assert "<li>accuracy: 0.6, 0.1 higher than the baseline (0.5), no worse in params (trial 3)</li>" in page
    assert "<caption>best trials</caption>" in to_html(searched(minimize=None))
