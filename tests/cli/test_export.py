import json

import torch

CODE = """
    import retia
    import torch
    from torch import nn


    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            width = retia.choice("width", [4, 8])
            self.layers = nn.Sequential(nn.Linear(3, width), nn.ReLU(), nn.Linear(width, 2))

        def forward(self, x):
            return self.layers(x)


    x = torch.linspace(-1, 1, 96).reshape(32, 3)
    y = (x.sum(1) > 0).long()
    study = retia.Study(retia.ModelSpace(Net), retia.Classification((x, y), (x, y), epochs=1), maximize="accuracy", name="small", keep_weights="all")
    strategy = retia.strategy.GridSearch()
    trials = 2
"""


def test_a_trained_model_is_exported(retia, write, folder):
    write("small.py", CODE)
    retia("run", "small.py", "--quiet")
    data = json.loads(retia("export", "small.py", "--number", 1, "--out", "model", "--json").stdout)
    assert data["trial"] == 1
    assert [path.rpartition("/")[2] for path in data["files"]] == [
        "architecture.json",
        "program.pt2",
        "weights.safetensors",
    ]
    program = torch.export.load(folder / "model" / "program.pt2").module()
    assert program(torch.zeros(5, 3)).shape == (5, 2)
    assert json.loads((folder / "model" / "architecture.json").read_text())["architecture"] == {"width": 8}
    best = json.loads(retia("best", "--json").stdout)["best"]["number"]
    assert retia("export", "small.py", "--out", "best").stdout.splitlines()[0] == f"exported trial {best}:"


def test_a_trial_that_is_not_there_is_an_error(retia, write):
    write("small.py", CODE)
    retia("run", "small.py", "--quiet", "--name", "other")
    assert (
        "Study 'other' has no trial 9"
        in retia("export", "small.py", "--name", "other", "--number", 9, "--out", "model", code=1).stderr
    )


def test_a_study_without_data_has_no_example(retia, write, toy):
    retia("run", toy, "--quiet")
    error = retia("export", toy, "--out", "model", code=1).stderr
    assert "An export needs an example input" in error
    assert (
        "Write example = torch.zeros(2, ...) in toy.py, or pass costs=retia.Costs(input_shape) to the study."
        in error
    )


def test_what_main_searches_is_exported_without_searching_again(retia, write, folder):
    called = (
        CODE.partition("    study =")[0]
        + """
    def main(trials=2, storage=None, epochs=1):
        print("main was called")
        evaluator = retia.Classification((x, y), (x, y), epochs=epochs)
        try:
            study = retia.search(Net, evaluator, retia.strategy.GridSearch(), trials=trials, storage=storage, maximize="accuracy", progress=False)
        except Exception:
            print("the search was interrupted")
        print("it ended")
        return study
"""
    )
    write("called.py", called)
    assert "it ended" in retia("run", "called.py", "--storage", "here.db", "--set", "epochs=2").stdout
    data = retia(
        "export", "called.py", "--storage", "here.db", "--out", "model", "--set", "epochs=2", "--json"
    )
    assert data.stderr == "main was called\n"
    assert json.loads(data.stdout)["trial"] in (0, 1)
    assert torch.export.load(folder / "model" / "program.pt2").module()(torch.zeros(5, 3)).shape == (5, 2)
    assert len(json.loads(retia("trials", "--storage", "here.db", "--json").stdout)) == 2


def test_the_example_may_be_the_files_own(retia, write, folder):
    own = (
        CODE.partition("    study =")[0]
        + """
    class Untrained:
        def __call__(self, architecture, run):
            retia.save_weights(run.space.build(architecture, seed=0), run)
            return {"score": 0.5}


    study = retia.Study(retia.ModelSpace(Net), Untrained(), maximize="score")
    trials = 1
    example = x
"""
    )
    write("own.py", own)
    retia("run", "own.py", "--quiet")
    retia("export", "own.py", "--out", "model")
    assert torch.export.load(folder / "model" / "program.pt2").module()(torch.zeros(5, 3)).shape == (5, 2)


def test_the_storage_is_looked_for_where_the_run_put_it(retia, write, folder, monkeypatch):
    write("small.py", CODE.replace('name="small"', 'name="small", storage="own.db"'))
    retia("run", "small.py", "--quiet")
    monkeypatch.setenv(
        "RETIA_STORAGE", "elsewhere.db"
    )  # the file's own storage goes before it, as in retia run
    retia("export", "small.py", "--out", "model")
    write("plain.py", CODE)
    retia("run", "plain.py", "--quiet")
    assert (folder / "elsewhere.db").exists()
    retia("export", "plain.py", "--out", "model")


def test_damaged_weights_are_an_error_that_names_the_file(retia, write, folder):
    write("small.py", CODE)
    retia("run", "small.py", "--quiet")
    kept = {path: path.read_bytes() for path in folder.rglob("weights.safetensors")}
    assert len(kept) == 2
    for spoil in (lambda whole: whole[:-40] + bytes(40), lambda whole: whole[:-40], lambda whole: b""):
        for path, whole in kept.items():
            path.write_bytes(spoil(whole))
        error = retia("export", "small.py", "--number", 1, "--out", "model", code=1).stderr
        assert "weights.safetensors' " in error
        assert "Train the model again" in error
        assert "Traceback" not in error
    assert not (folder / "model").exists()
