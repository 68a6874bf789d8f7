"""From a plan to batches: shown, coloured, normalised and mixed, on the network's device."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from archspec.train.data.pictures import Pictures
from archspec.train.feeding.boxes import Size
from archspec.train.feeding.colour import HALF, Colours, resolve_normalize
from archspec.train.feeding.cutting import Cutter
from archspec.train.feeding.jitter import coloured
from archspec.train.feeding.mixing import erase, mix
from archspec.train.feeding.plan import Plan
from archspec.train.feeding.resident import DevicePictures, on_device
from archspec.train.recipe import Normalize

Bounds = tuple[int, int]
Share = tuple[int, int]  # the rank of a process, and how many there are
WHOLE: Share = (0, 1)
MAX_WORKERS = 8  # more threads than this only wait for Python's lock
AHEAD = 2  # batches that threads prepare before they are asked for


@dataclass(frozen=True)
class Batch:
    """A process's share of a batch, on its device.

    `images` [N, C, H, W] are normalised, `labels` [N] theirs, `num_global` is the size of the
    whole batch. Where pictures are mixed, `partners` [N] are the labels of the others, and
    `weights` [N] the share λ of a picture's own label.
    """

    images: Tensor
    labels: Tensor
    num_global: int
    partners: Tensor | None = None
    weights: Tensor | None = None

    def parts(self, number: int) -> "list[Batch]":
        """The batch in `number` parts of about the same size, or in fewer if it has not as many."""
        bounds = [share_bounds(0, len(self.labels), (i, number)) for i in range(number)]
        kept = [bound for bound in bounds if bound[0] < bound[1]] or bounds[:1]
        return [self._part(slice(*bound)) for bound in kept]

    def _part(self, chosen: slice) -> "Batch":
        partners, weights = (
            None if tensor is None else tensor[chosen] for tensor in (self.partners, self.weights)
        )
        return Batch(self.images[chosen], self.labels[chosen], self.num_global, partners, weights)

    @property
    def tensors(self) -> list[Tensor]:
        """All there are."""
        values = (getattr(self, field.name) for field in fields(self))
        return [value for value in values if isinstance(value, Tensor)]


@dataclass(frozen=True)
class Job:
    """A share of a batch to be made: the rows of the plan, and how they are mixed, if they are.

    Of a mixed batch the first row is only there as the partner of the second.
    """

    rows: Plan
    num_global: int
    weight: float | None = None
    pasted: tuple[int, ...] = (0, 0, 0, 0)


class Feeder:
    """Batches for one device, of what plans show of `pictures`.

    On a CPU the threads that will compute the step cut the batch out first: nothing is gained by
    doing both at once on busy cores. Only pictures that are streamed, whose files are waited for,
    are prepared ahead. On an accelerator, pictures that take less than half of its free memory
    lie there, and batches are gathered on a stream of their own, one ahead of the step; else
    threads prepare them.
    """

    def __init__(
        self,
        pictures: Pictures,
        labels: Sequence[int],
        input_size: Size,
        device: torch.device,
        normalize: Normalize = HALF,
        colours: Colours | None = None,
    ) -> None:
        self.pictures = pictures
        self.labels = torch.tensor(labels, dtype=torch.int64)
        self.input_size = input_size
        self.device = device
        self.normalize = resolve_normalize(normalize, pictures.channels)
        self.colours = colours
        self.resident = _resident(pictures, device)
        self.num_workers = min(MAX_WORKERS, torch.get_num_threads())
        self._pool = ThreadPoolExecutor(self.num_workers, thread_name_prefix="cut-out")

    def batches(
        self, plan: Plan, bounds: Iterable[Bounds], share: Share = WHOLE
    ) -> Iterator[Batch]:
        """Of each part of the plan, from begin to end of its bound, this process's share.

        What the processes show together is, pixel for pixel, what one alone would show.
        """
        jobs = (share_of(plan, bound, share) for bound in bounds)
        made = self._gathered(jobs) if self.resident is not None else self._cut_out(jobs)
        return on_side_stream(made, self.device) if self.device.type == "cuda" else made

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(cancel_futures=True)

    def _gathered(self, jobs: Iterable[Job]) -> Iterator[Batch]:
        assert self.resident is not None
        for job in jobs:
            yield self._finished(job, self.resident.shown(job.rows, self.input_size))

    def _cut_out(self, jobs: Iterable[Job]) -> Iterator[Batch]:
        ahead = AHEAD if self.pictures.is_streamed or self.device.type != "cpu" else 0
        started: deque[tuple[Job, Tensor, list[Future[None]]]] = deque()
        for job in jobs:
            started.append((job, *self._start(job.rows)))
            if len(started) > ahead:
                yield self._awaited(*started.popleft())
        while started:
            yield self._awaited(*started.popleft())

    def _start(self, rows: Plan) -> tuple[Tensor, list[Future[None]]]:
        """Begin to fill a buffer [N, C, H, W] with what the rows show, a share a thread."""
        # Channels last is what networks like; matrices of colours want planes.
        is_planar = rows.is_coloured or rows.is_moved
        buffer = torch.empty(
            (len(rows), self.pictures.channels, *self.input_size),
            dtype=torch.uint8,
            pin_memory=self.device.type == "cuda",
            memory_format=torch.contiguous_format if is_planar else torch.channels_last,
        )
        cut, out = Cutter(self.pictures, rows, self.input_size), buffer.permute(0, 2, 3, 1).numpy()

        def fill(first: int) -> None:
            for i in range(first, len(out), self.num_workers):
                out[i] = cut(i)

        return buffer, [self._pool.submit(fill, first) for first in range(self.num_workers)]

    def _awaited(self, job: Job, buffer: Tensor, shares: list[Future[None]]) -> Batch:
        for share in shares:
            share.result()
        return self._finished(job, buffer.to(self.device, non_blocking=True))

    def _finished(self, job: Job, pixels: Tensor) -> Batch:
        """The bytes that a job's rows show, as a batch."""
        images = coloured(pixels, job.rows, self.normalize, self.colours)
        if job.rows.erased is not None:
            erase(images, job.rows.erased)
        labels = self.labels[job.rows.places].to(self.device, non_blocking=True)
        if job.weight is None:
            return Batch(images, labels, job.num_global)
        mixed = mix(images[1:], images[:-1], job.weight, job.pasted)
        weights = torch.full((len(mixed),), job.weight, device=self.device)
        return Batch(mixed, labels[1:], job.num_global, labels[:-1], weights)


def share_of(plan: Plan, bound: Bounds, share: Share) -> Job:
    """The share that a process makes of the batch that is the plan from begin to end.

    A mixed picture's partner is the one before it in the whole batch, the first's the last.
    """
    (begin, end), (first, last) = bound, share_bounds(*bound, share)
    if plan.weights is None or plan.pasted is None:
        return Job(plan.part(first, last), end - begin)
    before = first - 1 if first > begin else end - 1
    rows = plan.rows(torch.tensor([before, *range(first, last)]))
    weight, pasted = float(plan.weights[begin]), tuple(plan.pasted[begin].tolist())
    return Job(rows, end - begin, weight, pasted)


def share_bounds(begin: int, end: int, share: Share) -> Bounds:
    """A process's part of what lies from begin to end; sizes differ by one at most."""
    (rank, world), number = share, end - begin
    return begin + number * rank // world, begin + number * (rank + 1) // world


def on_side_stream(batches: Iterator[Batch], device: torch.device) -> Iterator[Batch]:
    """The batches, each made on a CUDA stream of its own while the step before it is computed."""
    side = torch.cuda.Stream(device)  # type: ignore[no-untyped-call] # torch leaves it so
    side.wait_stream(torch.cuda.current_stream(device))  # what lies on the device has arrived

    def make() -> tuple[Batch | None, torch.cuda.Event]:
        with torch.cuda.stream(side):
            batch = next(batches, None)
            return batch, side.record_event()

    batch, made = make()
    while batch is not None:
        following = make()
        stream = torch.cuda.current_stream(device)
        stream.wait_event(made)
        for tensor in batch.tensors:
            tensor.record_stream(stream)  # its memory is not used anew before the step is done
        yield batch
        batch, made = following


def batch_bounds(number: int, batch_size: int) -> list[Bounds]:
    """Begin and end of every batch of `number` pictures; the last one may be smaller."""
    return [(begin, min(begin + batch_size, number)) for begin in range(0, number, batch_size)]


def training_bounds(number: int, batch_size: int) -> list[Bounds]:
    """As few batches of at most `batch_size`, but their sizes differ by one at most.

    So no picture is left out, and no last batch is too small for batch norm.
    """
    return even_bounds(number, -(-number // batch_size))


def even_bounds(number: int, num_batches: int) -> list[Bounds]:
    """`number` pictures in so many batches, whose sizes differ by one at most."""
    return [share_bounds(0, number, (i, num_batches)) for i in range(num_batches)]


def _resident(pictures: Pictures, device: torch.device) -> DevicePictures | None:
    if device.type != "cuda" or pictures.is_streamed:
        return None
    free, _ = torch.cuda.mem_get_info(device)
    if pictures.num_bytes > free // 2:
        return None
    return on_device(pictures, device)
