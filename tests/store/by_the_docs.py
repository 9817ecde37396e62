"""Read a store by the reference of its format, with none of profilerkit's code."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import zstandard

KINDS = ["running", "final", "deleted"]
KEPT = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-."
DEVICES = {"con", "prn", "aux", "nul", *(f"{name}{digit}" for name in ("com", "lpt") for digit in range(10))}


def escape(name: str, allowed: int) -> str:
    """Return the part of a key for a name: section *Names in keys*."""
    if name == "":
        return "="
    data = name.encode("utf-8", "surrogatepass")
    escapes = [chr(byte) if byte in KEPT else f"%{byte:02X}" for byte in data]
    escapes[0] = escapes[0].replace(".", "%2E")
    escapes[-1] = escapes[-1].replace(".", "%2E")
    if name.partition(".")[0].lower() in DEVICES:
        escapes[0] = f"%{data[0]:02X}"
    if len("".join(escapes)) <= allowed:
        return "".join(escapes)
    cut = ""
    while escapes and len(cut + escapes[0]) <= allowed - 33:
        cut += escapes.pop(0)
    return cut + "=" + hashlib.sha256(data).hexdigest()[:32]


def folder_of(recording: dict[str, Any]) -> str:
    """Return the key of the folder of a recording: sections *The store's format* and *Names in keys*."""
    names = list(recording["subject"]["names"].values())
    if len(names) > 8:
        names = [*names[:7], "/".join(names[7:])]
    parts = [escape(name, 200) for name in names]
    if sum(len(part) for part in parts) > 480:
        parts = [escape(name, 480 // len(names)) for name in names]
    return "/".join(["recordings", recording["subject"]["kind"], *parts, escape(recording["id"], 64)])


def raw_path(path: str) -> str:
    """Return what follows `raw/` in the key of a raw file."""
    parts = "/".join(escape(part, 196) for part in path.split("/"))
    return (parts if len(parts) <= 196 else escape(path, 196)) + ".zst"


def events(store: Path) -> list[dict[str, Any]]:
    """Return all events that can be read: section *The journal*."""
    found = []
    lines = [path.read_bytes() for path in (store / "journal").glob("*-*-*T*/*.json")]
    for path in (store / "journal" / "days").glob("*.jsonl.zst"):
        with path.open("rb") as stream:
            lines += zstandard.ZstdDecompressor().stream_reader(stream).read().splitlines()
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if event["format"] == 1:
            found.append(event)
    return found


def recordings(store: Path) -> list[dict[str, Any]]:
    """Return the event that counts of each recording, newest first: section *The journal*."""
    best: dict[str, dict[str, Any]] = {}

    def rank(event: dict[str, Any]) -> tuple[int, int, str, str]:
        revision = event["recording"].get("revision", 0)
        return KINDS.index(event["kind"]), revision, event["written_at"], event["event_id"]

    for event in sorted(events(store), key=rank):
        best[event["recording"]["id"]] = event
    return [best[each] for each in sorted(best, reverse=True) if best[each]["kind"] != "deleted"]


def recording_of(store: Path, event: dict[str, Any]) -> dict[str, Any]:
    """Return the `recording.json` of an event: section *recording.json*."""
    recording: dict[str, Any] = json.loads((store / event["key"] / "recording.json").read_bytes())
    assert recording["format"] == 1
    return recording


def raw_files(store: Path, event: dict[str, Any], profiler: str) -> dict[str, bytes]:
    """Return the raw files of a capture by their paths: section *Raw files*."""
    recording = recording_of(store, event)
    (capture,) = (each for each in recording["captures"] if each["profiler"] == profiler)
    folder = store / event["key"] / escape(profiler, 64) / "raw"
    return {
        file["path"]: zstandard.ZstdDecompressor().decompress((folder / raw_path(file["path"])).read_bytes())
        for file in capture["files"]
    }


def readings(store: Path, event: dict[str, Any], profiler: str) -> list[dict[str, Any]]:
    """Return the readings of a capture: section *Readings*."""
    folder = store / event["key"] / escape(profiler, 64) / "readings"
    return [json.loads(gzip.decompress(path.read_bytes())) for path in sorted(folder.glob("*.json.gz"))]


def totals(reading: dict[str, Any], metric: int = 0) -> dict[str, float]:
    """Return by function what it and what it calls count, recursion counted once for each call."""
    stacks = reading["stacks"]
    numbers = list(stacks["self"][metric])
    by_function: dict[str, float] = {}
    for node in range(len(numbers) - 1, 0, -1):
        assert stacks["parents"][node] < node
        numbers[stacks["parents"][node]] += numbers[node]
        function, _path, _line, _root = reading["frames"][stacks["frames"][node]]
        by_function[function] = by_function.get(function, 0) + numbers[node]
    return by_function
