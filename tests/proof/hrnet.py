"""HRNet-W18 as a spec: four resolutions side by side, each of which reads all others.

Wang et al., Deep High-Resolution Representation Learning for Visual Recognition, 2020; the
classifier of the authors' code, 21 299 004 parameters. Blocks take one input, so every exchange
stands in the network's own body: 275 convolutions in some 300 rows.
"""

import json
from collections.abc import Iterator
from typing import Any

Row = dict[str, Any]
WIDTHS = (18, 36, 72, 144)
MODULES = (1, 4, 3)
NUM_PARAMS = 21_299_004
DEFAULTS = {"conv2d": {"bias": False, "norm": "batch_norm"}}
THREE = {"kernel_size": 3, "padding": 1}


def conv(out: int | str, stride: int = 1, *, size: int = 3, **more: Any) -> Row:
    row = {"op": "conv2d", "out_channels": out, "kernel_size": size, "stride": stride, **more}
    return row if size == 1 else {**row, "padding": 1}


BLOCKS = {
    "BasicBlock": {
        "args": {"width": None},
        "layers": [
            conv("width", name="conv1", activation="relu"),
            conv("width", name="conv2"),
            {"op": "add", "from": ["conv2", "input"]},
            {"op": "relu"},
        ],
    },
    "Bottleneck": {
        "args": {"width": None},
        "layers": [
            conv("width", name="conv1", size=1, activation="relu"),
            conv("width", name="conv2", activation="relu"),
            conv("4 * width", name="conv3", size=1),
            {
                "name": "downsample",
                "from": "input",
                "when": "in_channels != 4 * width",
                "layers": [conv("4 * width", size=1)],
            },
            {"op": "add", "from": ["conv3", "downsample"]},
            {"op": "relu"},
        ],
    },
}


def fused(source: int, target: int) -> list[Row]:
    """How one resolution arrives at another."""
    if source == target:
        return []
    if source > target:
        up = {"op": "upsample", "scale_factor": 2 ** (source - target)}
        return [conv(WIDTHS[target], size=1), up]
    between = [conv(WIDTHS[source], 2, activation="relu") for _ in range(target - source - 1)]
    return [*between, conv(WIDTHS[target], 2)]


def module(name: str, arriving: list[str]) -> Iterator[Row]:
    """Four blocks in each resolution, then each gets the sum of all."""
    for i, read in enumerate(arriving):
        block = {"op": "BasicBlock", "width": WIDTHS[i], "repeat": 4}
        yield {"name": f"{name}_branch{i}", "from": read, **block}
    for target in range(len(arriving)):
        terms = []
        for source in range(len(arriving)):
            rows = fused(source, target)
            terms.append(f"{name}_branch{source}")
            if rows:
                terms[-1] = f"{name}_fuse{source}{target}"
                yield {"name": terms[-1], "from": f"{name}_branch{source}", "layers": rows}
        yield {"name": f"{name}_sum{target}", "op": "add", "from": terms}
        yield {"name": f"{name}_out{target}", "op": "relu"}


def rows() -> Iterator[Row]:
    yield conv(64, 2, name="conv1", activation="relu")
    yield conv(64, 2, name="conv2", activation="relu")
    yield {"name": "layer1", "op": "Bottleneck", "width": 64, "repeat": 4}
    arriving = ["layer1"]
    for stage, modules in enumerate(MODULES, start=2):
        source = arriving[-1]
        added = conv(WIDTHS[stage - 1], 2, activation="relu")
        if stage == 2:
            yield {"name": "transition20", **conv(WIDTHS[0], activation="relu"), "from": source}
            arriving = ["transition20"]
        yield {"name": f"transition{stage}{stage - 1}", **added, "from": source}
        arriving.append(f"transition{stage}{stage - 1}")
        for index in range(modules):
            yield from module(f"stage{stage}_{index}", arriving)
            arriving = [f"stage{stage}_{index}_out{i}" for i in range(len(arriving))]
    yield from head(arriving)


def head(arriving: list[str]) -> Iterator[Row]:
    """Each resolution is widened, and added to the next lower one."""
    for i, read in enumerate(arriving):
        yield {"name": f"incre{i}", "op": "Bottleneck", "width": 32 * 2**i, "from": read}
        if i:
            wide = 128 * 2**i
            down = {**conv(wide, 2, bias=True, activation="relu"), "from": f"joined{i - 1}"}
            yield {"name": f"downsamp{i}", **down}
            yield {"name": f"joined{i}", "op": "add", "from": [f"incre{i}", f"downsamp{i}"]}
        else:
            yield {"name": "joined0", "op": "identity", "from": "incre0"}
    yield conv(2048, size=1, name="final", bias=True, activation="relu")
    yield {"name": "pool", "op": "adaptive_avg_pool"}
    yield {"name": "flatten", "op": "flatten"}
    yield {"name": "classifier", "op": "linear", "out_features": "num_classes"}


def spec() -> str:
    """The text of the spec: JSON is YAML."""
    content = {
        "archspec": 1,
        "name": "HRNet-W18",
        "source": "Wang et al., 2020; the classifier of the authors' code",
        "input": [3, 224, 224],
        "vars": {"num_classes": 1000},
        "defaults": DEFAULTS,
        "blocks": BLOCKS,
        "layers": list(rows()),
        "expect": {"params": NUM_PARAMS},
    }
    return json.dumps(content, indent=1)
