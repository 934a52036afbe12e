"""Train by Lightning inside of an evaluator: the function gets the model, and returns what the validation
measured.

python examples/lightning_trainer.py (needs the package pytorch-lightning); --quick for a first look
"""

import argparse

import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import retia

data = retia.datasets.digits()


class Net(nn.Sequential):
    def __init__(self):
        width = retia.choice("width", [8, 16, 32])
        act = retia.layer_choice("act", {"relu": nn.ReLU, "silu": nn.SiLU})
        super().__init__(
            nn.Conv2d(1, width, 3, padding=1),
            act,
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(4 * width, 10),
        )


class Classifier(pl.LightningModule):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def training_step(self, batch, _):
        x, y = batch
        return nn.functional.cross_entropy(self.model(x), y)

    def validation_step(self, batch, _):
        x, y = batch
        self.log("accuracy", (self.model(x).argmax(1) == y).float().mean())

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=1e-2)


def fit(model, epochs=5):
    settings = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    trainer = pl.Trainer(max_epochs=epochs, accelerator="cpu", num_sanity_val_steps=0, **settings)
    train = DataLoader(TensorDataset(*data.train), batch_size=64, shuffle=True)
    trainer.fit(Classifier(model), train, DataLoader(TensorDataset(*data.valid), batch_size=256))
    return {"accuracy": trainer.callback_metrics["accuracy"]}


def main(trials=10):
    study = retia.search(Net, fit, trials=trials, maximize="accuracy", minimize="params", progress=False)
    for trial in study.pareto:
        print(
            f"{trial.metrics['accuracy']:.4f}  {trial.metrics['params']:,.0f} parameters: "
            f"{dict(trial.architecture)}"
        )
    return study


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="two trials")
    main(**({"trials": 2} if parser.parse_args().quick else {}))
