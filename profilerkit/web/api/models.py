"""Define what the API answers with. Fields are added, never renamed or removed, within `/api/v1`."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

Number = float | int | None


class Problem(BaseModel):
    """What went wrong, in words."""

    error: str
    mend: str | None = Field(description="What to do about it.")


class Making(BaseModel):
    """How far something is that takes a while; ask again until it is no longer `rendering`."""

    state: str = Field(description="`ready`, `rendering` or `failed`.")
    seconds: float = Field(description="For how long it has been in the making.")
    message: str | None = Field(description="Why it failed.")


class Recording(BaseModel):
    """A recording as lists show it: the fields of `profilerkit list --json`."""

    id: str
    kind: str
    names: dict[str, str]
    status: str
    outcome: str | None
    started_at: str
    ended_at: str | None
    duration_seconds: Number
    profilers: list[str]
    summary: dict[str, Number]
    labels: dict[str, str]
    parent_id: str | None


class Recordings(BaseModel):
    """Some of the recordings that are wanted."""

    recordings: list[Recording]
    next: str | None = Field(description="What to give as `after` for those that follow.")
    total: int = Field(description="How many are wanted; at least so many when `capped`.")
    capped: bool


class File(BaseModel):
    """A raw file of a capture."""

    path: str
    size_bytes: int
    stored_bytes: int | None
    url: str


class Capture(BaseModel):
    """What one profiler left."""

    profiler: str
    status: str
    placement: str
    error: str | None
    reading_error: str | None
    options: dict[str, Any]
    versions: dict[str, str]
    files: list[File]
    notes: list[str]


class Evidence(BaseModel):
    """One fact about how a recording ended."""

    kind: str
    text: str
    data: dict[str, Any]


class Report(BaseModel):
    """A report that can be had."""

    name: str
    title: str
    filename: str
    profiler: str
    state_url: str
    file_url: str


class Whole(Recording):
    """All that is known of a recording."""

    captures: list[Capture]
    evidence: list[Evidence]
    warnings: list[str]
    environment: dict[str, Any]
    reports: list[Report]
    reading: Making = Field(description="How far the reading of its captures is; `reports` come with it.")
    url: str = Field(description="Its page.")


class HotFrame(BaseModel):
    """A function, a line or a module."""

    function: str
    file: str
    line: int
    self_value: float = Field(serialization_alias="self")
    total: float
    own: bool


class HotTable(BaseModel):
    """The hot frames by one metric of one profiler, the highest first."""

    profiler: str
    metric: str
    unit: str
    whole: float = Field(description="What shares are of.")
    own: dict[str, list[HotFrame]] = Field(
        description="Of your own code, by `function`, `line`, `module`; with what packages do on its behalf."
    )
    all: dict[str, list[HotFrame]]


class End(BaseModel):
    """How a recording ended, if not well."""

    text: str
    at: float


class Peak(BaseModel):
    """The highest point of the memory."""

    name: str
    value: float
    at_seconds: float


class Series(BaseModel):
    """One number over time."""

    profiler: str
    name: str
    unit: str
    times_seconds: list[float]
    values: list[float]


class Timelines(BaseModel):
    """Every number over time, at most 2,000 points each; peaks stay."""

    started_at: str
    duration_seconds: Number
    ended: End | None
    limit_bytes: Number
    peak: Peak | None
    series: list[Series]


class Metric(BaseModel):
    """What the numbers of a flame graph count."""

    name: str
    unit: str


class Nodes(BaseModel):
    """The nodes of a tree as columns; a list in `self` and `total` for every metric."""

    parent: list[int]
    frame: list[int]
    self_values: list[list[float]] = Field(alias="self")
    total: list[list[float]]
    base_self: list[list[float]] | None = Field(None, description="Of A, where two are compared.")
    base_total: list[list[float]] | None = None


class Frames(BaseModel):
    """The frames that nodes point to, as columns."""

    function: list[str]
    file: list[str]
    line: list[int]
    root: list[str]
    own: list[int]


class Flamegraph(BaseModel):
    """A call tree; the format is in the reference of the reports."""

    format: int
    metrics: list[Metric]
    nodes: Nodes
    frames: Frames
    nodes_recorded: int


class TrendPoint(BaseModel):
    """One run."""

    id: str
    started_at: str
    peak_rss_bytes: Number
    cpu_seconds: Number
    duration_seconds: Number
    limit_bytes: Number
    status: str
    outcome: str | None
    recordings: int
    versions: dict[str, str]
    versions_changed: bool
    outlier: bool
    outliers: list[str] = Field(description="In which of the measures.")


class Trend(BaseModel):
    """The runs of a subject, the oldest first."""

    kind: str
    names: dict[str, str]
    units: dict[str, str]
    points: list[TrendPoint]


class Ranked(BaseModel):
    """A subject, and the recording with its highest value."""

    kind: str
    names: dict[str, str]
    value: float
    limit_bytes: Number
    recording: Recording


class Ranking(BaseModel):
    """Subjects, the highest first."""

    measure: str
    unit: str
    subjects: list[Ranked]


class Regression(BaseModel):
    """A subject whose last run took more than usual."""

    kind: str
    names: dict[str, str]
    measure: str
    recording_id: str
    value: float
    usual: float
    runs: int
    ratio: float
    history: list[float]


class Regressions(BaseModel):
    """What got worse, the most first."""

    regressions: list[Regression]


class Comparison(BaseModel):
    """What differs: the fields of `profilerkit diff --json`, at most 100 rows a table."""

    a: Recording
    b: Recording
    notes: list[str]
    environment: list[dict[str, Any]]
    figures: dict[str, dict[str, Number]]
    profilers: dict[str, dict[str, Any]]
    flamegraphs: list[str] = Field(description="The profilers of which both trees can be drawn as one.")


class Plugin(BaseModel):
    """A plugin, and whether it can be used on this server."""

    group: str
    name: str
    entry: str
    distribution: str | None
    version: str | None
    usable: bool
    problem: str | None
    title: str | None


class Plugins(BaseModel):
    """What is installed."""

    plugins: list[Plugin]


class Health(BaseModel):
    """What answers here."""

    version: str
    store: str = Field(description="The fingerprint of the store that is shown.")
    synced_at: str | None = Field(description="When the store was last looked at.")
    problem: str | None = Field(description="Why it cannot be looked at now.")
