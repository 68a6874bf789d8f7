"""A table of pictures: a CSV or TSV file of paths and labels."""

import csv
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from archspec.train.data.folder import TEST, TRAIN, VAL_NAMES
from archspec.train.data.listing import Listing, refuse_unreadable, stats_of
from archspec.train.errors import TrainError

DELIMITERS = {".csv": ",", ".tsv": "\t"}
COLUMNS = {  # what we call a column → what its head may say, the first that is there counts
    "path": ("path", "file", "filename", "image"),
    "label": ("label", "class"),
    "split": ("split",),
}
SPLITS = (TRAIN, *VAL_NAMES, TEST)
SHOWN = 10  # problems named in a message


@dataclass(frozen=True)
class _Row:
    """A row of the table: `line` in the file from 1; `split` None without such a column."""

    line: int
    path: str
    label: str
    split: str | None


def list_table(path: Path) -> Listing:
    """List the pictures of a table with the columns path, label and perhaps split.

    Paths are relative to the table's folder; a picture's name is its path as written. The text is
    UTF-8. Raises TrainError that names every bad row (the first ten) by its line.
    """
    try:
        # utf-8-sig: spreadsheets put a mark in front; a file name need not be UTF-8 at all.
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            good, stats = _checked(path, _read_rows(path, file))
    except OSError as error:
        refuse_unreadable(path, error)
    except csv.Error as error:
        raise TrainError(f"{path} cannot be read as a table: {error}", 2) from error
    if not good:
        raise TrainError(f"{path} names no pictures", exit_code=2)
    return _listing(path, good, stats)


def _read_rows(path: Path, file: Iterable[str]) -> Iterator[_Row | str]:
    """The rows below the head; for one of another length, what is wrong with it."""
    delimiter = DELIMITERS[path.suffix.lower()]
    reader = csv.reader(file, delimiter=delimiter, skipinitialspace=True, strict=True)
    head = [name.strip().lower() for name in next(reader, [])]
    places = _places(path, head)
    before = reader.line_num
    for cells in reader:
        line, before = before + 1, reader.line_num  # a row may take several lines
        if not any(cells):
            continue
        if len(cells) != len(head):
            yield f"line {line}: {len(cells)} cells where the head has {len(head)}"
            continue
        split = cells[places["split"]].strip().lower() if "split" in places else None
        yield _Row(line, cells[places["path"]], cells[places["label"]].strip(), split)


def _places(path: Path, head: list[str]) -> Mapping[str, int]:
    places = {
        name: head.index(next(word for word in words if word in head))
        for name, words in COLUMNS.items()
        if set(words) & set(head)
    }
    missing = [name for name in ("path", "label") if name not in places]
    if missing:
        raise TrainError(
            f"{path}: line 1 has to name the columns path and label (and perhaps split): "
            f"there is no {' and no '.join(missing)}",
            exit_code=2,
        )
    return places


def _checked(path: Path, rows: Iterable[_Row | str]) -> tuple[list[_Row], list[os.stat_result]]:
    """The rows and the stats of their files; raises TrainError when anything is wrong."""
    good, stats = [], []
    problems: list[str] = []
    lines: dict[str, int] = {}  # of the pictures seen
    for row in rows:
        if isinstance(row, str):
            problems.append(row)
            continue
        stat = _stat(path.parent, row.path)
        first = lines.setdefault(os.path.normpath(path.parent / row.path), row.line)
        problems += [f"line {row.line}: {problem}" for problem in _wrong(row, stat, first)]
        if isinstance(stat, os.stat_result):
            good.append(row)
            stats.append(stat)
    if problems:
        more = [f"… and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
        shown = "\n  ".join([*problems[:SHOWN], *more])
        raise TrainError(f"{path} cannot be used:\n  {shown}", exit_code=2)
    return good, stats


def _stat(root: Path, name: str) -> os.stat_result | str:
    """The stat of a picture's file, or why there is none."""
    try:
        stat = (root / name).stat()
    except OSError as error:
        return error.strerror or str(error)
    except ValueError as error:  # a NUL in the path
        return str(error)
    if S_ISREG(stat.st_mode):
        return stat
    return "is a folder" if S_ISDIR(stat.st_mode) else "is not a file"


def _wrong(row: _Row, stat: os.stat_result | str, first: int) -> Iterator[str]:
    """What is wrong with a row whose picture is named in line `first` for the first time."""
    if not row.path:
        yield "no path"
    elif isinstance(stat, str):
        yield f"{row.path}: {stat}"
    elif first != row.line:
        yield f"{row.path} is in line {first} already"
    if not row.label:
        yield "no label"
    elif any("\udc80" <= sign <= "\udcff" for sign in row.label):  # surrogateescape's
        yield f"the label {row.label} is not UTF-8"
    if row.split is not None and row.split not in SPLITS:
        yield f"split {row.split!r} is none of {', '.join(SPLITS)}"


def _listing(path: Path, rows: list[_Row], stats: list[os.stat_result]) -> Listing:
    splits = {row.split for row in rows}
    val = tuple(name for name in VAL_NAMES if name in splits) or (TEST,)
    used = [place for place, row in enumerate(rows) if row.split in {None, TRAIN, *val}]
    held_out = tuple(rows[place].split in val for place in used)
    classes = sorted({rows[place].label for place in used})
    label = {name: number for number, name in enumerate(classes)}
    has_split = splits != {None}
    if has_split:
        _refuse_unusable(path, [rows[place] for place in used], held_out)
    aside = f"; {len(rows) - len(used)} of test left aside" if len(used) < len(rows) else ""
    return Listing(
        origin=path,
        root=path.parent,
        classes=tuple(classes),
        names=tuple(rows[place].path for place in used),
        labels=tuple(label[rows[place].label] for place in used),
        stats=stats_of([stats[place] for place in used]),
        held_out=held_out if has_split else None,
        notes=(f"held out are the rows of split {', '.join(val)}{aside}",) if has_split else (),
    )


def _refuse_unusable(path: Path, rows: list[_Row], held_out: tuple[bool, ...]) -> None:
    """Raise TrainError when nothing is held out, or a class is not there to be learnt."""
    if not any(held_out):
        raise TrainError(f"{path}: no row has the split val; leave the column away", exit_code=2)
    learnt = {row.label for row, held in zip(rows, held_out, strict=True) if not held}
    strangers = sorted({row.label for row in rows} - learnt)
    if strangers:
        raise TrainError(f"{path}: class {strangers[0]!r} has no row of split train", exit_code=2)
