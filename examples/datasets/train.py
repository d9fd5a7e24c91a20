"""Train a small network to mark the pixels of spots, on a data set that openbragg dataset has made.

openbragg dataset examples/datasets/spot-finding.toml --shots 100 -o spots
python examples/datasets/train.py spots --seconds 60
"""

import argparse
import time

import torch
from torch.utils.data import DataLoader

from openbragg import datasets


def example(sample):
    """Counts on a scale that a network likes, and 1 where a spot is."""
    counts = sample["image"].float().clamp(min=0.0)
    return torch.log1p(counts)[None], (sample["spots"] >= 0).float()[None]


def network():
    """Three convolutions that see 9 x 9 pixels."""
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 8, 5, padding=2),
        torch.nn.ReLU(),
        torch.nn.Conv2d(8, 8, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(8, 1, 3, padding=1),
    )


def train(folder, seconds=60.0, batch=2, most=10**9):
    """Train, and return the loss of each step."""
    torch.manual_seed(1)
    images = datasets.open(folder, example)
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    # Few pixels are of spots: each counts as much as 20 others.
    measure = torch.nn.BCEWithLogitsLoss(pos_weight=torch.tensor(20.0))
    losses, end, epoch = [], time.monotonic() + seconds, 0
    while time.monotonic() < end and len(losses) < most:
        for counts, spots in DataLoader(images.stream(shuffle=True).set_epoch(epoch), batch_size=batch):
            optimizer.zero_grad()
            loss = measure(model(counts), spots)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            if time.monotonic() >= end or len(losses) >= most:
                break
        epoch += 1
    return losses


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--seconds", type=float, default=60.0)
    words = parser.parse_args()
    found = train(words.folder, words.seconds)
    for step in range(0, len(found), max(1, len(found) // 10)):
        print(f"step {step}: loss {found[step]:.4f}")
    print(f"step {len(found) - 1}: loss {found[-1]:.4f}")
