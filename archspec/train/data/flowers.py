"""The photographs of the flower tutorial: 3 670 in five classes, downloaded once."""

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from archspec.train.data.archive import Bounds, unpack
from archspec.train.data.download import Published, download
from archspec.train.data.locks import locked
from archspec.train.data.track import Track
from archspec.train.errors import TrainError
from archspec.train.files import told_if_unwritable

FLOWERS = "flowers"  # the name of the archive where a folder may stand
FOLDER = "flower_photos"  # in the archive and in the cache
URL = "https://storage.googleapis.com/download.tensorflow.org/example_images/flower_photos.tgz"
# Size and checksum: tensorflow/datasets, tensorflow_datasets/datasets/tf_flowers/checksums.tsv
NUM_BYTES = 228_813_984
SHA256 = "4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c"
BOUNDS = Bounds(num_members=10_000, num_bytes=1 << 30)
ADVICE = (
    "$ARCHSPEC_FLOWERS_URL may name a mirror, and --data path/to/folder takes pictures that "
    "are here already"
)


def fetch_flowers(folder: Path, track: Track) -> Path:
    """The folder `flower_photos` in `folder`, downloaded and unpacked unless it is there.

    The photographs are CC-BY, their authors listed in its LICENSE.txt. $ARCHSPEC_FLOWERS_URL
    replaces the address and $ARCHSPEC_FLOWERS_SHA256 the checksum. Several processes may call
    this at once: one does it, the others wait. Raises TrainError, see `download` and `unpack`.
    """
    target = folder / FOLDER
    if target.is_dir():
        return target
    with told_if_unwritable(str(folder)):
        folder.mkdir(parents=True, exist_ok=True)
        with locked(target, track):
            if not target.is_dir():
                _fetch(target, track)
    return target


def _fetch(target: Path, track: Track) -> None:
    archive = target.with_name(f"{FOLDER}.tgz")
    download(_published(), archive, track)
    for left in target.parent.glob(f".{FOLDER}.*.tmp"):  # by one that was killed: we have the lock
        shutil.rmtree(left, ignore_errors=True)
    with TemporaryDirectory(".tmp", f".{FOLDER}.", target.parent) as temporary:
        try:
            unpack(archive, Path(temporary), FOLDER, BOUNDS)
        except TrainError:  # no better the next time
            archive.unlink()
            raise
        (Path(temporary) / FOLDER).rename(target)
    archive.unlink()


def _published() -> Published:
    own = os.environ.get("ARCHSPEC_FLOWERS_SHA256")
    return Published(
        url=os.environ.get("ARCHSPEC_FLOWERS_URL") or URL,
        sha256=own or SHA256,
        num_bytes=None if own else NUM_BYTES,
        advice=ADVICE,
    )
