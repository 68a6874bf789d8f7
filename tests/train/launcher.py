"""Runs `archspec` many times, alone or as several processes, and kills it: a program of its own.

Importing torch takes seconds, and a test of twenty-five killings imports it once: this process has
it, and forks. It reads one JSON object a line from stdin and answers with one a line on stdout.

    {"argv": [...], "cwd": ".", "size": 2, "after": 0.7}
    → {"codes": [-9, -9], "stdout": "…", "stderr": "…", "seconds": 0.71}

`after` (seconds; null: never) is when `signal` (SIGKILL) is sent, to all processes or to the rank
`victim` alone. It counts, as `seconds` do, from the start, or from when the file `since` in `cwd`
has appeared or been replaced. No file may grow beyond `limit` bytes, if that is given.
"""

import json
import os
import resource
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

os.environ["OMP_NUM_THREADS"] = "1"

import torch
import torch._dynamo  # batch norm on the meta device imports it, and that takes two seconds
import torch.distributed.checkpoint
import torch.distributed.checkpoint.state_dict
import torch.distributed.fsdp

import archspec.cli.train  # noqa: F401 - see above
from archspec.cli import app, main  # noqa: F401 - see above
from archspec.train import run, tensorboard  # noqa: F401 - see above


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start(order: dict[str, Any], rank: int, size: int, port: int, streams: Sequence[int]) -> int:
    """Fork a process that is rank `rank` of `size` and runs `archspec ARGV`."""
    child = os.fork()
    if child:
        return child
    os.chdir(order["cwd"])
    os.environ["ARCHSPEC_CACHE"] = "cache"
    os.dup2(streams[0], 1)
    os.dup2(streams[1], 2)
    if "limit" in order:
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["limit"], order["limit"]))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if size > 1:
        os.environ |= {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(size),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
        }
    code = 1
    try:
        main(order["argv"])
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException:  # noqa: BLE001 - the parent's stack is not this process's
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def state_of(path: Path) -> tuple[int, int] | None:
    """What is another one when the file has been replaced."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns


def wait_for(path: Path, before: tuple[int, int] | None, children: Sequence[int]) -> None:
    """Until the file has been written, or a child has ended without doing it."""
    ended = os.WEXITED | os.WNOHANG | os.WNOWAIT
    while state_of(path) in {before, None}:
        if any(os.waitid(os.P_PID, child, ended) for child in children):
            return
        time.sleep(0.001)


def attempt(order: dict[str, Any]) -> dict[str, Any]:
    size, port = order.get("size", 1), free_port()
    path = Path(order["cwd"]) / order.get("since", "")
    before = state_of(path)
    with tempfile.TemporaryFile() as outputs, tempfile.TemporaryFile() as errors:
        streams = (outputs.fileno(), errors.fileno())
        children = [start(order, rank, size, port, streams) for rank in range(size)]
        if "since" in order:
            wait_for(path, before, children)
        began = time.monotonic()
        if order.get("after") is not None:
            time.sleep(order["after"])
            victims = children if order.get("victim") is None else [children[order["victim"]]]
            for child in victims:
                os.kill(child, order.get("signal", signal.SIGKILL))
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        seconds = time.monotonic() - began
        return {"codes": codes, **texts(stdout=outputs, stderr=errors), "seconds": seconds}


def texts(**files: IO[bytes]) -> dict[str, str]:
    for file in files.values():
        file.seek(0)
    return {name: file.read().decode(errors="replace") for name, file in files.items()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    for line in sys.stdin:
        sys.stdout.write(json.dumps(attempt(json.loads(line))) + "\n")
        sys.stdout.flush()
