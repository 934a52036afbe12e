"""Search a U-Net that finds discs in noisy images: one class number for each pixel.

python examples/unet.py, or for a first look: python examples/unet.py --quick
"""

import argparse

import torch
from torch import nn

import retia


def made(count, seed, size=16):
    """Return noisy images (N, 1, H, W) of a disc, and which pixels (N, H, W) lie in it."""
    generator = torch.Generator().manual_seed(seed)
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    centre = torch.randint(4, size - 4, (count, 2, 1, 1), generator=generator)
    radius = torch.randint(2, 5, (count, 1, 1), generator=generator)
    inside = (rows - centre[:, 0]) ** 2 + (columns - centre[:, 1]) ** 2 <= radius**2  # (N, H, W)
    return (inside + 0.7 * torch.randn(inside.shape, generator=generator)).unsqueeze(1), inside.long()


def convolution(inputs, outputs):
    kernel = retia.choice("kernel", [3, 5])
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2), nn.BatchNorm2d(outputs), nn.ReLU()
    )


class Level(nn.Module):
    """One resolution: what lies below sees the image at half the size, and is joined by a skip connection."""

    def __init__(self, inputs, width, below):
        super().__init__()
        self.down = convolution(inputs, width)
        self.below = below
        self.up = convolution(width + below.width if below else width, width)
        self.width = width

    def forward(self, x):
        x = self.down(x)  # (B, C, H, W)
        if self.below is None:
            return self.up(x)
        lower = nn.functional.interpolate(self.below(nn.functional.max_pool2d(x, 2)), scale_factor=2)
        return self.up(torch.cat([x, lower], 1))


class UNet(nn.Module):
    def __init__(self, classes=2):
        super().__init__()
        width = retia.choice("width", [4, 8])
        with retia.scope("level2"):
            bottom = Level(2 * width, 2 * retia.choice("width", [4, 8]), None)
        with retia.scope("level1"):
            middle = Level(width, 2 * width, bottom)
        with retia.scope("level0"):
            self.levels = Level(1, width, middle)
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, x):
        return self.head(self.levels(x))  # (B, classes, H, W)


def main(trials=12, epochs=8, images=256):
    evaluator = retia.Classification(
        made(images, 0), made(images // 2, 1), epochs=epochs, lr=1e-2, class_weights=[1.0, 3.0]
    )
    study = retia.search(
        UNet, evaluator, trials=trials, maximize="accuracy", minimize="params", progress=False
    )
    for trial in study.pareto:
        print(
            f"{trial.metrics['accuracy']:.4f} of the pixels, {trial.metrics['params']:,.0f} parameters: "
            f"{dict(trial.architecture)}"
        )
    return study


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="four trials of two epochs")
    main(**({"trials": 4, "epochs": 2} if parser.parse_args().quick else {}))
