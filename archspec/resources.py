"""Where the data files are: inside the package in a wheel, beside it in a checkout."""

from pathlib import Path

_PACKAGE = Path(__file__).parent
_CHECKOUT = _PACKAGE.parent


def folder(name: str) -> Path:
    """The folder of data files called `name` (`specs`, `templates`).

    Raises FileNotFoundError where neither the package nor a checkout around it has one.
    """
    packaged = _PACKAGE / name
    if packaged.is_dir():
        return packaged
    beside = _CHECKOUT / name
    # Without a look for pyproject.toml, any folder beside an installed package would pass for it.
    if beside.is_dir() and (_CHECKOUT / "pyproject.toml").is_file():
        return beside
    raise FileNotFoundError(f"archspec's own folder {name!r} is missing: {packaged}")
