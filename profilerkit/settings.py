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

COMMANDS = (
    *("run", "list", "show", "report", "diff", "serve", "open", "plugins", "recover", "prune", "compact"),
    *("export", "import", "completion"),
)
"""Our commands: the file may have a table for each, and for each that a plugin adds."""

TABLES = ("options", "storage_options")
MEND_FILE = "Mend it, or run in another folder."
LARGEST_SIZE = (1 << 63) - 1
LONGEST_SHOWN = 100

_UNITS = {"": 1, "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40}


def parse_size(value: str | int) -> int:
    """Return bytes from a number or from words like `512 MiB`."""
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*", str(value))
    unit = found[2].lower() if found else ""
    if found is None or unit not in _UNITS:
        raise ValueError("a size is a number of bytes, or one with KiB, MiB, GiB")
    size = (int(found[1]) if found[1].isdigit() else float(found[1])) * _UNITS[unit]
    if size > LARGEST_SIZE:
        raise ValueError("it is more than any disk holds")
    return int(size)


def parse_names(value: str | list[str] | tuple[str, ...]) -> tuple[str, ...]:
    """Return names from a list, or from words parted by commas or spaces."""
    if isinstance(value, str):
        return tuple(re.split(r"[,\s]+", value.strip()))
    if not isinstance(value, (list, tuple)) or not all(isinstance(each, str) for each in value):
        raise TypeError("it is a list of names")
    return tuple(value)


def _place(value: str | os.PathLike[str]) -> str:
    place = os.fspath(value)
    if not isinstance(place, str) or "\0" in place:
        raise TypeError("it is one path or URL")
    return place


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
        default="", converter=_place, metadata={"help": "Where recordings live: a folder or any fsspec URL."}
    )
    storage_options: Mapping[str, Any] = field(
        factory=dict,
        metadata={"help": "Arguments of the store's filesystem, as fsspec takes them (a table)."},
    )
    spool: str = field(
        default="",
        converter=_place,
        metadata={"help": "The local folder of recordings until they are uploaded."},
    )
    catalog: str = field(
        default="",
        converter=_place,
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
            if name not in known and name not in FLAGS and not _is_of_a_command(name, names[name]):
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


def _is_of_a_command(name: str, value: object) -> bool:
    """Tell whether this is the table of a command, which knows what may be in it."""
    if name in COMMANDS:
        return isinstance(value, Mapping)
    from profilerkit import plugins

    return isinstance(value, Mapping) and name in plugins.names(plugins.COMMANDS)


def absolute(place: str, folder: Path | None = None) -> str:
    """Return a path as an absolute one, since other processes use it elsewhere; a URL stays as it is."""
    if "://" in place or "::" in place:
        return place
    return os.path.abspath(os.path.join(folder or "", os.path.expanduser(place)))


def _checked(each: Attribute[Any], value: Any, where: str) -> Any:
    try:
        if each.name in TABLES:
            if not isinstance(value, Mapping):
                raise TypeError("it is a table")
            if each.name == "options" and not all(isinstance(table, Mapping) for table in value.values()):
                raise TypeError("it is a table for each profiler")
            return value
        if isinstance(value, bool):
            raise TypeError("it is no switch")
        return each.converter(value) if callable(each.converter) else value
    except (TypeError, ValueError, OverflowError) as error:
        raise UsageError(f"{each.name} in {where} cannot be {_shown(value)}: {error}.") from None


def _shown(value: object) -> str:
    try:
        words = repr(value)
    except ValueError:  # an integer of more digits than Python writes
        words = "so large a number"
    return words if len(words) <= LONGEST_SHOWN else f"{words[:LONGEST_SHOWN]}…"


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

    Raises UsageError when the file is no TOML, or has something else there.
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
        found = tomllib.loads(data.decode())
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read ({error}).", MEND_FILE) from None
    except RecursionError:
        raise UsageError(f"{path} cannot be read (it is nested too deeply).", MEND_FILE) from None
    for name in ("tool", "profilerkit"):
        found = found.get(name, {})
        if not isinstance(found, dict):
            table = "tool" if name == "tool" else "tool.profilerkit"
            raise UsageError(f"[{table}] of {path} is not a table.", MEND_FILE)
    return found
