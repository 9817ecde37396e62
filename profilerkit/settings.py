"""Find the settings: environment, then `[tool.profilerkit]` of the nearest pyproject.toml, then defaults."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import Attribute, field, fields, frozen

from profilerkit.errors import UsageError

DEFAULT_PROFILERS = ("resources", "cpu", "memray")

PLACES = ("store", "spool", "catalog")
"""Settings that are paths or URLs; a path in the file is relative to the file's folder."""

FLAGS = ("quiet", "verbose")
"""Flags of every command that the file may set beside the settings."""

_UNITS = {"": 1, "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40}


def parse_size(value: str | int) -> int:
    """Return bytes from a number or from words like `512 MiB`."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", str(value))
    unit = found[2].lower() if found else ""
    if found is None or unit not in _UNITS:
        raise ValueError("a size is a number of bytes, or one with KiB, MiB, GiB")
    return int(float(found[1]) * _UNITS[unit])


def parse_names(value: str | list[str] | tuple[str, ...]) -> tuple[str, ...]:
    """Return names from a list, or from words parted by commas or spaces."""
    return tuple(re.split(r"[,\s]+", value.strip())) if isinstance(value, str) else tuple(map(str, value))


def _seconds(value: str | float) -> float:
    seconds = float(value)
    if not 0 <= seconds < float("inf"):
        raise ValueError("a number of seconds is finite and not negative")
    return seconds


def _days(value: str | float) -> float:
    days = float(value)
    if not 0 <= days < float("inf"):
        raise ValueError("a number of days is not negative, and 0 is for ever")
    return days


@frozen
class Settings:
    """What a person can set once for all recordings."""

    store: str = field(
        default="", converter=str, metadata={"help": "Where recordings live: a folder or any fsspec URL."}
    )
    storage_options: Mapping[str, Any] = field(
        factory=dict,
        metadata={"help": "Arguments of the store's filesystem, as fsspec takes them (a table)."},
    )
    spool: str = field(
        default="",
        converter=str,
        metadata={"help": "The local folder of recordings until they are uploaded."},
    )
    catalog: str = field(
        default="",
        converter=str,
        metadata={"help": "The local folder of catalogs, which make lists of recordings fast."},
    )
    profilers: tuple[str, ...] = field(
        default=DEFAULT_PROFILERS, converter=parse_names, metadata={"help": "Which profilers take part."}
    )
    options: Mapping[str, Mapping[str, Any]] = field(
        factory=dict, metadata={"help": "Options of profilers: a table for each, by name."}
    )
    checkpoint_interval: float = field(
        default=60.0,
        converter=_seconds,
        metadata={"help": "Seconds between checkpoints of a long recording."},
    )
    upload_timeout: float = field(
        default=0.0,
        converter=_seconds,
        metadata={"help": "Seconds that a program waits for the upload at its end."},
    )
    max_capture_bytes: int = field(
        default=2 << 30,
        converter=parse_size,
        metadata={"help": "A profiler whose capture grows over this stops."},
    )
    max_spool_bytes: int = field(
        default=20 << 30,
        converter=parse_size,
        metadata={"help": "Profilers stop when all that is not uploaded yet holds more."},
    )
    min_free_disk: int = field(
        default=1 << 30,
        converter=parse_size,
        metadata={"help": "Profilers stop when the spool's disk has less free."},
    )
    retention_days: float = field(
        default=30.0,
        converter=_days,
        metadata={"help": "Days that recordings stay in the store; 0 keeps them for ever."},
    )
    retention_days_resources: float = field(
        default=180.0,
        converter=_days,
        metadata={"help": "The same for recordings of resources alone, which are small."},
    )

    @property
    def store_url(self) -> str:
        """Return the store's URL, by default the user's data folder."""
        if self.store:
            return self.store
        import platformdirs

        return str(Path(platformdirs.user_data_dir("profilerkit", appauthor=False)) / "store")

    @property
    def spool_folder(self) -> Path:
        """Return the spool's folder, by default in the user's cache folder."""
        if self.spool:
            return Path(self.spool).absolute()
        import platformdirs

        return Path(platformdirs.user_cache_dir("profilerkit", appauthor=False)) / "spool"

    @property
    def catalog_folder(self) -> Path:
        """Return the folder of catalogs, by default in the user's cache folder."""
        if self.catalog:
            return Path(self.catalog).absolute()
        import platformdirs

        return Path(platformdirs.user_cache_dir("profilerkit", appauthor=False)) / "catalogs"


def load_settings(given: Mapping[str, Any] | None = None, folder: Path | None = None) -> Settings:
    """Return the settings: `given` wins over the environment, that over the file, that over defaults.

    Raises UsageError for a value that cannot be, naming where it stands.
    """
    path = find_pyproject(folder)
    table = read_table(path) if path is not None else {}
    known = {each.name for each in fields(Settings)}
    for where, names in (("the call", given or {}), (f"[tool.profilerkit] of {path}", table)):
        for name in names:
            # A table in the file is a command's; commands know theirs.
            if name not in known and name not in FLAGS and not isinstance(names[name], Mapping):
                raise UsageError(
                    f"There is no setting {name!r}, in {where} (there are: {', '.join(sorted(known))})."
                )
    values: dict[str, Any] = {}
    for each in fields(Settings):
        variable = f"PROFILERKIT_{each.name.upper()}"
        if given is not None and given.get(each.name) not in (None, (), {}):
            values[each.name] = _checked(each, given[each.name], "the command line")
        elif os.environ.get(variable) and each.name not in ("options", "storage_options"):
            values[each.name] = _checked(each, os.environ[variable], variable)
        elif each.name in table:
            values[each.name] = _checked(each, table[each.name], f"[tool.profilerkit] of {path}")
            if each.name in PLACES and path is not None:
                values[each.name] = absolute(values[each.name], path.parent)
    for name in PLACES:
        if values.get(name):
            values[name] = absolute(values[name])
    return Settings(**values)


def absolute(place: str, folder: Path | None = None) -> str:
    """Return a path as an absolute one, since other processes use it elsewhere; a URL stays as it is."""
    if "://" in place or "::" in place:
        return place
    return os.path.abspath(os.path.join(folder or "", os.path.expanduser(place)))


def _checked(each: Attribute[Any], value: Any, where: str) -> Any:
    try:
        if each.name in ("options", "storage_options"):
            if not isinstance(value, Mapping):
                raise TypeError("it is a table")
            return value
        return each.converter(value) if callable(each.converter) else value
    except (TypeError, ValueError) as error:
        raise UsageError(f"{each.name} in {where} cannot be {value!r}: {error}.") from None


def find_pyproject(folder: Path | None = None) -> Path | None:
    """Return the nearest pyproject.toml, in this folder or above."""
    try:
        start = folder or Path.cwd()
    except OSError:  # the working folder is gone
        return None
    # A folder that may not be searched has none for us.
    found = (each / "pyproject.toml" for each in (start, *start.parents))
    return next((each for each in found if os.path.isfile(each)), None)


def read_table(path: Path) -> dict[str, Any]:
    """Return `[tool.profilerkit]` of a pyproject.toml, empty when it has none.

    Raises UsageError when the file is no TOML.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        data = path.read_bytes()
        # Parsing costs; most files have nothing for us.
        if b"tool.profilerkit" not in data and b"profilerkit" not in data:
            return {}
        table = tomllib.loads(data.decode()).get("tool", {}).get("profilerkit", {})
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read ({error}).", "Mend it, or run in another folder.") from None
    return table if isinstance(table, dict) else {}
