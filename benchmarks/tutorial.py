"""AlexNet on the flowers, as the flower tutorial writes it in plain PyTorch: the row to beat.

    python benchmarks/tutorial.py FOLDER HELD_OUT.txt --seed 0

It imports nothing of archspec. HELD_OUT.txt names the pictures for validation, `class/file` a line,
so that its split is the one that it is compared with; all others are trained on. Its last line is
JSON. Network, initialisation, transforms, optimiser and loop are the tutorial's.
"""

import argparse
import json
import time
from pathlib import Path

import torch
from torch import Tensor, nn, optim
from torch.utils.data import DataLoader, Subset
from torchvision import datasets, transforms

HALF = (0.5, 0.5, 0.5)
TRANSFORMS = {
    "train": transforms.Compose(
        [
            transforms.RandomResizedCrop(224),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(HALF, HALF),
        ]
    ),
    "val": transforms.Compose(
        [
            transforms.Resize((224, 224)),
            transforms.ToTensor(),
            transforms.Normalize(HALF, HALF),
        ]
    ),
}


class AlexNet(nn.Module):
    """Krizhevsky et al. 2012 at half its width."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 48, kernel_size=11, stride=4, padding=2),  # [48, 55, 55]
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),  # [48, 27, 27]
            nn.Conv2d(48, 128, kernel_size=5, padding=2),  # [128, 27, 27]
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),  # [128, 13, 13]
            nn.Conv2d(128, 192, kernel_size=3, padding=1),  # [192, 13, 13]
            nn.ReLU(inplace=True),
            nn.Conv2d(192, 192, kernel_size=3, padding=1),  # [192, 13, 13]
            nn.ReLU(inplace=True),
            nn.Conv2d(192, 128, kernel_size=3, padding=1),  # [128, 13, 13]
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),  # [128, 6, 6]
        )
        self.classifier = nn.Sequential(
            nn.Dropout(p=0.5),
            nn.Linear(128 * 6 * 6, 2048),
            nn.ReLU(inplace=True),
            nn.Dropout(p=0.5),
            nn.Linear(2048, 2048),
            nn.ReLU(inplace=True),
            nn.Linear(2048, num_classes),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                assert module.bias is not None
                nn.init.constant_(module.bias, 0)
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)
                nn.init.constant_(module.bias, 0)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)
        x = torch.flatten(x, start_dim=1)
        scores: Tensor = self.classifier(x)
        return scores


def main() -> None:
    """Train, print a line an epoch, and the result as JSON."""
    wishes = parse_arguments()
    torch.manual_seed(wishes.seed)
    device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    began = time.perf_counter()
    train_loader, val_loader, num_classes = load(wishes)
    net = AlexNet(num_classes).to(device)
    loss_function = nn.CrossEntropyLoss()
    optimizer = optim.Adam(net.parameters(), lr=0.0002)

    accuracies = []
    for epoch in range(wishes.epochs):
        net.train()
        running_loss = 0.0
        for images, labels in train_loader:
            optimizer.zero_grad()
            outputs = net(images.to(device))
            loss = loss_function(outputs, labels.to(device))
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
        accuracies.append(validate(net, val_loader, device))
        mean = running_loss / len(train_loader)
        print(f"epoch {epoch + 1}: loss {mean:.3f}, accuracy {accuracies[-1]:.4f}", flush=True)

    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    found = {"last": accuracies[-1], "best": max(accuracies), "accuracies": accuracies}
    seconds = time.perf_counter() - began
    print(json.dumps({**found, "seconds": seconds, "device": name}))


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("held_out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--workers", type=int, default=0, help="processes that load pictures")
    wishes = parser.parse_args()
    torch.set_num_threads(wishes.threads)
    return wishes


def load(wishes: argparse.Namespace) -> tuple[DataLoader[Tensor], DataLoader[Tensor], int]:
    """Batches for training and for validation, and the number of classes."""
    held_out = set(wishes.held_out.read_text(encoding="utf-8").splitlines())
    loaders = []
    for name, transform in TRANSFORMS.items():
        pictures = datasets.ImageFolder(str(wishes.folder), transform)
        names = [Path(path).relative_to(wishes.folder).as_posix() for path, _ in pictures.samples]
        chosen = [i for i, n in enumerate(names) if (n in held_out) == (name == "val")]
        if len(chosen) != (len(held_out) if name == "val" else len(names) - len(held_out)):
            raise SystemExit(f"{wishes.held_out} names pictures that are not in {wishes.folder}")
        loaders.append(
            DataLoader(
                Subset(pictures, chosen),
                batch_size=32,
                shuffle=name == "train",
                num_workers=wishes.workers,
            )
        )
    return loaders[0], loaders[1], len(pictures.classes)


def validate(net: nn.Module, loader: DataLoader[Tensor], device: torch.device) -> float:
    """The share of pictures that is named right."""
    net.eval()
    right, number = 0, 0
    with torch.no_grad():
        for images, labels in loader:
            predicted = torch.max(net(images.to(device)), dim=1)[1]
            right += int(torch.eq(predicted, labels.to(device)).sum())
            number += len(labels)
    return right / number


if __name__ == "__main__":
    main()
