"""Search a small BERT of Hugging Face, trained by its Trainer inside of an evaluator.

python examples/hugging_face_trainer.py (needs the packages transformers and accelerate); --quick for a first
look
"""

import argparse
import tempfile

import torch
from torch import nn
from torch.utils.data import Dataset
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

import retia


class Sentences(Dataset):
    """Made sentences of 12 tokens; the label says whether token 1 comes before token 2."""

    def __init__(self, count, seed):
        generator = torch.Generator().manual_seed(seed)
        self.ids = torch.randint(3, 20, (count, 12), generator=generator)
        places = torch.rand(count, 12, generator=generator).argsort(1)[:, :2]  # two distinct places
        self.ids.scatter_(1, places, torch.tensor([1, 2]).expand(count, 2))
        self.labels = (places[:, 0] < places[:, 1]).long()

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, index):
        return {"input_ids": self.ids[index], "labels": self.labels[index]}


def bert() -> nn.Module:
    width, heads = retia.choice("width", [16, 32]), retia.choice("heads", [2, 4])
    depth, ratio = retia.integer("depth", 1, 2), retia.choice("ratio", [2, 4])
    config = BertConfig(
        vocab_size=20,
        hidden_size=width,
        num_hidden_layers=depth,
        num_attention_heads=heads,
        intermediate_size=ratio * width,
        max_position_embeddings=12,
        num_labels=2,
    )
    return BertForSequenceClassification(config)


def accuracy(prediction):
    return {"accuracy": (prediction.predictions.argmax(1) == prediction.label_ids).mean()}


def fit(model, epochs=6, samples=512):
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            num_train_epochs=epochs,
            per_device_train_batch_size=32,
            learning_rate=3e-3,
            use_cpu=True,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
        )
        trainer = Trainer(
            model,
            arguments,
            train_dataset=Sentences(samples, 0),
            eval_dataset=Sentences(256, 1),
            compute_metrics=accuracy,
        )
        trainer.train()
        return {"accuracy": trainer.evaluate()["eval_accuracy"]}


def main(trials=8):
    study = retia.search(bert, fit, trials=trials, maximize="accuracy", minimize="params", progress=False)
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
