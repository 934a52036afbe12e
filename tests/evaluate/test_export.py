import json
import subprocess
import sys
import textwrap

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import retia
from retia.errors import EvaluationError, StudyError
from retia.evaluate import export, save_weights
from retia.nn import ModelSpace, seeded
from retia.trial import Run, Trial


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        width = retia.choice("width", [4, 8])
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.body = retia.repeat(
            "body",
            lambda i: nn.Sequential(retia.layer_choice("act", [nn.ReLU, nn.GELU]), nn.BatchNorm2d(width)),
            (1, 3),
        )
        self.mix = retia.input_choice("mix", 2, choose=1)
        self.head = nn.Linear(width, 3)

    def forward(self, x):
        x = self.stem(x)
        return self.head(self.mix([self.body(x), x]).mean((2, 3)))


class Added(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, retia.choice("width", [2, 4]))

    def forward(self, left, right):
        return self.layer(left - right)


def trained(factory, directory, **architecture):
    """Return a trial whose model has weights of its own, and running statistics that moved."""
    space = ModelSpace(factory)
    with seeded(1):
        model = space.build({**space.default(), **architecture})
        if factory is Net:
            model(torch.rand(8, 1, 6, 6))
    save_weights(model, Run(space, directory=directory))
    return Trial(
        3,
        space.validate({**space.default(), **architecture}),
        "completed",
        metrics={"accuracy": 0.5},
        directory=directory,
        space=space,
    )


ISOLATED = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "retia":
            raise ImportError("retia is not here")

sys.meta_path.insert(0, Blocker())
import torch
try:
    import retia
except ImportError:
    pass
else:
    raise SystemExit("retia could be imported")
program = torch.export.load(sys.argv[1]).module()
inputs = torch.load(sys.argv[2], weights_only=True)
with torch.no_grad():
    outputs = [program(x) for x in inputs]
torch.save(outputs, sys.argv[3])
assert not [name for name in sys.modules if name.split(".")[0] == "retia"]
"""


def test_the_program_runs_where_retia_is_not(tmp_path):
    trial = trained(Net, tmp_path / "trial", width=8)
    folder = export(trial, tmp_path / "out", torch.zeros(2, 1, 6, 6))
    generator = torch.Generator().manual_seed(0)
    inputs = [torch.rand(batch, 1, 6, 6, generator=generator) for batch in (1, 2, 7)]  # any batch size
    torch.save(inputs, tmp_path / "inputs.pt")
    (tmp_path / "run.py").write_text(textwrap.dedent(ISOLATED))
    files = [tmp_path / "run.py", folder / "program.pt2", tmp_path / "inputs.pt", tmp_path / "outputs.pt"]
    done = subprocess.run(
        [sys.executable, *map(str, files)], capture_output=True, text=True, timeout=300, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    model = trial.load()
    with torch.no_grad():
        for x, outputs in zip(inputs, torch.load(tmp_path / "outputs.pt", weights_only=True), strict=True):
            assert torch.allclose(outputs, model(x), atol=1e-6)


def test_weights_and_architecture(tmp_path):
    trial = trained(Net, tmp_path / "trial", width=8)
    folder = export(trial, str(tmp_path / "new" / "out"), torch.zeros(2, 1, 6, 6))
    assert sorted(path.name for path in folder.iterdir()) == [
        "architecture.json",
        "program.pt2",
        "weights.safetensors",
    ]
    weights = load_file(folder / "weights.safetensors")
    assert all(torch.equal(tensor, weights[name]) for name, tensor in trial.load().state_dict().items())
    facts = json.loads((folder / "architecture.json").read_text(encoding="utf-8"))
    assert retia.Architecture(facts["architecture"]) == trial.architecture
    assert (facts["trial"], facts["metrics"], facts["inputs"]) == (
        3,
        {"accuracy": 0.5},
        [[[2, 1, 6, 6], "torch.float32"]],
    )


@pytest.mark.parametrize("named", [True, False])
def test_several_inputs(tmp_path, named):
    trial = trained(Added, tmp_path / "trial")
    inputs = {"left": torch.ones(2, 3), "right": torch.zeros(2, 3)}
    export(trial, tmp_path, inputs if named else tuple(inputs.values()))
    program = torch.export.load(tmp_path / "program.pt2").module()
    left, right = torch.rand(2, 5, 3, generator=torch.Generator().manual_seed(0))
    outputs = program(left=left, right=right) if named else program(left, right)
    assert torch.allclose(outputs, trial.load()(left, right))


def test_a_model_with_one_batch_size_is_exported_for_that(tmp_path):
    class Fixed(Added):
        def forward(self, x):
            return self.layer(x.reshape(2, 3))

    trial = trained(Fixed, tmp_path / "trial")
    export(trial, tmp_path, torch.zeros(2, 3))
    program = torch.export.load(tmp_path / "program.pt2").module()
    assert torch.allclose(program(torch.ones(2, 3)), trial.load()(torch.ones(2, 3)))
    with pytest.raises(AssertionError, match="2"):
        program(torch.ones(3, 3))


def test_a_trial_without_weights(tmp_path):
    space = ModelSpace(Net)
    trial = Trial(
        4, space.default(), "completed", metrics={"accuracy": 0.5}, directory=tmp_path / "none", space=space
    )
    with pytest.raises(StudyError, match="Trial 4 has no trained weights"):
        export(trial, tmp_path / "out", torch.zeros(2, 1, 6, 6))
    assert not (tmp_path / "out").exists()


def test_a_model_that_torch_cannot_export(tmp_path):
    class Reads(Added):
        def forward(self, x):
            return self.layer(x) if x.sum().item() > 0 else self.layer(-x)

    trial = trained(Reads, tmp_path / "trial")
    with pytest.raises(
        EvaluationError,
        match=r"(?s)torch can't export the model of trial 3: .*not branch on the values of tensors, or use trial.load",
    ):
        export(trial, tmp_path / "out", torch.zeros(2, 3))
    assert not (tmp_path / "out").exists()
