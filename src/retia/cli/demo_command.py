"""`retia demo`: a real search in less than ninety seconds."""

from pathlib import Path

import click

from retia.cli.options import json_option
from retia.cli.output import print_json, say, show

__all__ = ["demo"]


@click.command()
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("retia-demo"),
    show_default=True,
    help="Folder of the files.",
)
@click.option(
    "--trials",
    type=click.IntRange(2),
    default=24,
    show_default=True,
    help="Number of architectures to train; the random control trains as many.",
)
@click.option(
    "--workers", type=click.IntRange(1), default=2, show_default=True, help="Number of training processes."
)
@click.option(
    "--epochs",
    type=click.IntRange(1),
    default=12,
    show_default=True,
    help="Number of training epochs of each architecture.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the random numbers.")
@json_option
def demo(directory: Path, trials: int, workers: int, epochs: int, seed: int, as_json: bool) -> None:
    """Search a small network for handwritten digits.

    Takes less than 90 seconds on two cores, and compares with random search. A second call resumes.
    """
    import retia
    from retia.cli.demo import main
    from retia.report import overview, save_plots, summary

    directory.mkdir(parents=True, exist_ok=True)
    if not as_json:
        say(
            "Searching a small convolutional network on scikit-learn's handwritten digits: "
            f"{trials} architectures, and {trials} random ones to compare."
        )
    study = main(directory, trials=trials, workers=workers, epochs=epochs, seed=seed)
    plots = save_plots(study, directory / "plots")
    chosen = study.best
    exported = retia.evaluate.export(chosen, directory / "best", retia.datasets.digits().test[0][:2])
    if as_json:
        print_json(
            {
                **overview(study),
                "test_accuracy": chosen.metrics["test_accuracy"],
                "plots": [str(path) for path in plots],
                "exported": str(exported),
            }
        )
        return
    say("")
    show(summary(study))
    say(
        f"\nThe most accurate model is that of trial {chosen.number}: validation accuracy "
        f"{chosen.metrics['accuracy']:.4f}, accuracy on the held-out test data "
        f"{chosen.metrics['test_accuracy']:.4f}, {chosen.metrics['params']:,.0f} parameters."
    )
    say(f"\nstudy    {study.storage}  (retia trials --storage {study.storage} digits)")
    for path in plots:
        say(f"plot     {path}")
    say(f"model    {exported}  (weights.safetensors, architecture.json, program.pt2: runs with torch alone)")
