"""Find and load plugins by their entry points; the only module that knows stevedore."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable
from importlib import import_module
from importlib.metadata import EntryPoint, distributions
from typing import Any

from attrs import frozen

from profilerkit.errors import UnavailableError, UsageError

PROFILERS = "profilerkit.profilers"
RENDERERS = "profilerkit.renderers"
STORES = "profilerkit.stores"
COMMANDS = "profilerkit.commands"
PAGES = "profilerkit.pages"
GROUPS = (PROFILERS, RENDERERS, STORES, COMMANDS, PAGES)

_NOUNS = {PROFILERS: "profiler", RENDERERS: "renderer", STORES: "store", COMMANDS: "command", PAGES: "page"}


@frozen
class PluginInfo:
    """What is known of a plugin; loading it decides whether it is usable."""

    group: str
    name: str
    entry: str
    distribution: str | None
    version: str | None
    usable: bool
    problem: str | None = None
    """Why not, and what mends it."""
    title: str | None = None


_found_by_host: list[Callable[[str], Iterable[EntryPoint]]] = []


def find_through(host: Callable[[str], Iterable[EntryPoint]]) -> None:
    """Have a host find entry points that has read them all already: reading them again costs 50 ms."""
    _found_by_host[:] = [host]
    entry_points.cache_clear()


def forget() -> None:
    """Have plugins looked for anew: a distribution came or went while this process runs."""
    from stevedore.extension import ExtensionManager

    entry_points.cache_clear()
    for group in GROUPS:
        ExtensionManager.ENTRY_POINT_CACHE.pop(group, None)


@functools.cache
def entry_points(group: str) -> tuple[EntryPoint, ...]:
    """Return the entry points of a group, by name, without importing any of them."""
    for host in _found_by_host:
        return _sorted(host(group))
    from stevedore.named import NamedExtensionManager

    # An empty list of names keeps stevedore from importing every plugin.
    manager: Any = NamedExtensionManager(group, names=[], on_missing_entrypoints_callback=None)
    return _sorted(manager.list_entry_points())


def _sorted(found: Iterable[EntryPoint]) -> tuple[EntryPoint, ...]:
    return tuple(sorted(set(found), key=lambda each: (each.name, each.value)))


def names(group: str) -> tuple[str, ...]:
    """Return the names of the plugins in a group, sorted, without importing any of them."""
    return tuple(dict.fromkeys(each.name for each in entry_points(group)))


def entry(group: str, name: str) -> str:
    """Return `module:attribute` of a plugin, without importing it.

    Raises UsageError when there is none of that name, or two distributions provide it.
    """
    found = sorted({each.value for each in entry_points(group) if each.name == name})
    noun = _NOUNS.get(group, "plugin")
    if not found:
        raise UsageError(
            f"No {noun} named {name!r} is installed (installed: {', '.join(names(group)) or 'none'})."
        )
    if len(found) > 1:
        raise UsageError(
            f"Two distributions provide a {noun} named {name!r} ({', '.join(found)}).",
            "Uninstall one of them.",
        )
    return found[0]


def load(group: str, name: str) -> Any:
    """Import a plugin and return it.

    Raises UsageError when there is none of that name, UnavailableError when it cannot be imported.
    """
    return load_entry(entry(group, name), f"The {_NOUNS.get(group, 'plugin')} {name!r}")


def load_entry(value: str, what: str = "The plugin") -> Any:
    """Import `module:attribute`; raise UnavailableError when that fails, whatever the plugin does."""
    module, _, attribute = value.partition(":")
    try:
        return functools.reduce(getattr, attribute.split("."), import_module(module))
    except Exception as error:
        raise UnavailableError(
            f"{what} cannot be imported ({type(error).__name__}: {error}).",
            "Reinstall or remove its distribution.",
        ) from error


def describe(group: str) -> list[PluginInfo]:
    """Import every plugin of a group and return what is known of each; a broken one harms no other."""
    origins = _origins(group)
    doubles = {
        name for name, count in Counter(each.name for each in entry_points(group)).items() if count > 1
    }
    found = []
    for each in entry_points(group):
        distribution, version = origins.get((each.name, each.value), (None, None))
        plugin, problem = None, None
        try:
            plugin = load_entry(each.value, f"The {_NOUNS[group]} {each.name!r}")
            if group == PROFILERS:
                _check(plugin)
        except UnavailableError as error:
            problem = str(error)
        if each.name in doubles:
            problem = "Two distributions provide this name. Uninstall one of them."
        found.append(
            PluginInfo(
                group,
                each.name,
                each.value,
                distribution,
                version,
                problem is None,
                problem,
                getattr(plugin, "title", None),
            )
        )
    return found


def _check(profiler_class: Any) -> None:
    """Ask a profiler whether it can run in a process like this one."""
    import os

    from profilerkit import process
    from profilerkit.model import ProcessIdentity, Subject, Target

    target = Target(
        process=ProcessIdentity(**process.identity(os.getpid())),
        subject=Subject("script"),
        thread_id=0,
        cgroup=process.cgroup_folder(os.getpid()),
    )
    try:
        profiler_class().check(target)
    except UnavailableError:
        raise
    except Exception as error:
        raise UnavailableError(f"Its check failed ({type(error).__name__}: {error}).") from error


def _origins(group: str) -> dict[tuple[str, str], tuple[str, str]]:
    """Return which distribution, of which version, provides each entry point."""
    found = {}
    for distribution in distributions():
        for each in distribution.entry_points:
            if each.group == group:
                found[(each.name, each.value)] = (distribution.metadata["Name"], distribution.version)
    return found
