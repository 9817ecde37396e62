"""Make the addresses of pages, below whatever prefix the app is mounted at; never with a host."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import quote, urlencode

from attrs import frozen
from starlette.requests import HTTPConnection

from profilerkit._version import __version__
from profilerkit.model import Subject

API = "/api/v1"
STATIC = f"/static/{__version__}"

Query = Mapping[str, str | int | None] | Iterable[tuple[str, str]]


@frozen
class Addresses:
    """The addresses of one mount."""

    base: str
    """The prefix, without a slash at its end."""

    @classmethod
    def of(cls, connection: HTTPConnection) -> Addresses:
        """Return the addresses as whoever asks has to write them."""
        return cls(quote(str(connection.scope.get("root_path", "")).rstrip("/"), safe="/-._~"))

    def to(self, path: str, query: Query = ()) -> str:
        """Return a path of the app, with a query where there is one."""
        pairs = query.items() if isinstance(query, Mapping) else query
        text = urlencode(
            [(name, str(value)) for name, value in pairs if value is not None and value != ""],
            quote_via=quote,
            errors="surrogatepass",
        )
        return f"{self.base}{path}{'?' if text else ''}{text}"

    def profiles(self, **query: str | int | None) -> str:
        """Return the list of recordings."""
        return self.to("/", query)

    def recording(self, recording_id: str, **query: str | int | None) -> str:
        """Return the page of a recording."""
        return self.to(f"/recordings/{_part(recording_id)}", query)

    def report(self, recording_id: str, report: str) -> str:
        """Return the page around a report."""
        return self.to(f"/recordings/{_part(recording_id)}/reports/{_part(report)}")

    def report_file(self, recording_id: str, report: str, **query: str | int | None) -> str:
        """Return a report itself."""
        return self.to(f"/recordings/{_part(recording_id)}/reports/{_part(report)}/file", query)

    def raw(self, recording_id: str, profiler: str, number: int) -> str:
        """Return a raw file of a capture."""
        return self.to(f"/recordings/{_part(recording_id)}/raw/{_part(profiler)}/{number}")

    def compare(self, a: str | None = None, b: str | None = None, **query: str | None) -> str:
        """Return the page that compares two recordings."""
        return self.to("/compare", {"a": a, "b": b, **query})

    def trend(self, series: Subject | None = None) -> str:
        """Return the page of a subject over its runs."""
        return self.to("/trend", series_query(series) if series is not None else ())

    def api_trend(self, series: Subject) -> str:
        """Return the runs of a subject as JSON."""
        return self.api("/trend", series_query(series))

    def plugins(self) -> str:
        """Return the page of what is installed."""
        return self.to("/plugins")

    def static(self, path: str = "") -> str:
        """Return a static file."""
        return f"{self.base}{STATIC}/{path}".rstrip("/")

    def api(self, path: str, query: Query = ()) -> str:
        """Return an address of the JSON API."""
        return self.to(f"{API}{path}", query)

    def api_recording(self, recording_id: str, path: str, **query: str | int | None) -> str:
        """Return an address of the JSON API that is about a recording."""
        return self.api(f"/recordings/{_part(recording_id)}/{path}", query)


def series_query(series: Subject) -> list[tuple[str, str]]:
    """Return a subject as a query: its kind, then its names."""
    return [("kind", series.kind), *series.names.items()]


def subject_of_query(pairs: Iterable[tuple[str, str]]) -> Subject | None:
    """Return the subject in a query, None when it has none. Raises ValueError for a kind that is none."""
    names = dict(pairs)
    kind = names.pop("kind", None)
    return None if kind is None else Subject(kind, names)


def _part(name: str) -> str:
    return quote(name, safe="", errors="surrogatepass")
