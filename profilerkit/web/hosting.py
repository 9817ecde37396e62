"""Hold what a host tells the app about the place it is shown in."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import field, frozen
from starlette.requests import Request

from profilerkit.model import Subject


@frozen
class Link:
    """A link that a host adds; `url` is complete, since only the host knows where it leads."""

    text: str
    url: str


@frozen
class Csrf:
    """How a host keeps foreign pages from sending forms."""

    field: Callable[[Request], tuple[str, str]]
    """Returns the name and the value of the hidden field that every form needs."""
    check: Callable[[Request, str | None], bool]
    """Tells whether the value that came with a request (field or header) is good."""
    header: str = "X-CSRFToken"
    """The header in which scripts send the value."""


def _no_links(_subject: Subject) -> list[Link]:
    return []


@frozen
class Hosting:
    """Where the app is shown."""

    name: str = "profilerkit"
    embedded: bool = False
    """Whether the host shows it in a frame of its own pages, so that the app's header is left out."""
    home: Link | None = None
    """The way back to the host, for pages that are not in a frame."""
    navigation: Callable[[Request], list[Link]] | None = None
    """Returns more entries of the main navigation."""
    subject_links: Callable[[Subject], list[Link]] = _no_links
    """Returns where the host shows a subject (`Task in Airflow`)."""
    search_aliases: Mapping[str, str] = field(factory=dict)
    """Words of the search that stand for names of a subject (`dag` for `dag_id`), shown as examples."""
    frame_ancestors: str = "'self'"
    """Who may show the app in a frame, as CSP writes it."""
    theme_source: str = ""
    """`airflow` when the frame's parent has Airflow's colours and its light or dark class."""
    csrf: Csrf | None = None
    timezone: str | None = None
    """The zone in which times are shown, by IANA name; None is the browser's own."""
    empty_commands: tuple[tuple[str, str], ...] = ()
    """Commands (words, command) that fill an empty store in this place; None are ours alone."""
