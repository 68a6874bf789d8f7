"""What a finished run is in numbers: summary.json."""

from dataclasses import asdict
from typing import Any

import torch

from archspec.train.assemble import Ways
from archspec.train.data.split import Split
from archspec.train.evaluation import Evaluation
from archspec.train.learner import Learner
from archspec.train.metrics import Progress
from archspec.train.run_folder import RunConfig


def summarise(
    config: RunConfig,
    learner: Learner,
    split: Split,
    progress: Progress,
    ways: Ways,
    test: Evaluation,
    seconds: float,
) -> dict[str, Any]:
    """What summary.json holds; `seconds` is the time since the start or the last resume.

    `test` is the best weights' evaluation with the recipe's test crops.
    """
    history, best = progress.history, progress.best
    assert best is not None
    trained = sum(metrics.seconds for metrics in history)
    parameters = list(learner.network.parameters())
    return {
        "name": config.source.name,
        "recipe": config.recipe.name,
        "data": config.data,
        "classes": list(config.classes),
        "num_train": len(split.train),
        "num_val": len(split.val),
        "num_params": sum(parameter.numel() for parameter in parameters),
        "num_trained": sum(p.numel() for p in parameters if p.requires_grad),
        "epochs": len(history),
        "best": asdict(best),
        "last": asdict(history[-1]),
        "test": {
            "crops": config.recipe.test.name,
            "accuracy": test.accuracy,
            "loss": test.loss,
        },
        "images_per_second": sum(m.images_per_second * m.seconds for m in history) / trained,
        "data_wait": sum(m.data_wait * m.seconds for m in history) / trained,
        "train_seconds": trained,
        "val_seconds": sum(metrics.val_seconds for metrics in history),
        "seconds": seconds,
        "device": _device_name(ways.device),
        "processes": ways.world.size,
        "threads": torch.get_num_threads(),
        "amp": config.recipe.amp,
        "torch": torch.__version__,
    }


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
