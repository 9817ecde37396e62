"""Test pprof files with parsers that are not ours: protobuf's, by pprof's own schema, and pprof itself."""

from __future__ import annotations

import gzip
import io
import math
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from trees import hostile_frames, numbers, path_to, trees

from profilerkit.errors import CaptureError
from profilerkit.model import Capture, Status
from profilerkit.reading import Frame, Metric, Reading, StackTree
from profilerkit.stacks.exports import PprofRenderer
from profilerkit.stacks.names import printable, shown_file
from profilerkit.stacks.pprof import write_pprof
from profilerkit.testing import RendererTests
from profilerkit.testing.readings import (
    chain,
    hostile_reading,
    plain_tree,
    random_tree,
    sample_source,
    several_metrics_tree,
)

Parse = Callable[[bytes], Any]


class TestPprof(RendererTests):
    """The renderer."""

    renderer_class = PprofRenderer


@pytest.fixture(scope="module")
def parse(tmp_path_factory: pytest.TempPathFactory) -> Parse:
    """Return protobuf's parser, made from the schema that pprof publishes."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    from grpc_tools import protoc

    compiled = tmp_path_factory.mktemp("proto") / "profile.desc"
    folder = Path(__file__).parent
    assert protoc.main(["", f"-I{folder}", f"--descriptor_set_out={compiled}", "profile.proto"]) == 0
    pool = descriptor_pool.DescriptorPool()
    for each in descriptor_pb2.FileDescriptorSet.FromString(compiled.read_bytes()).file:
        pool.Add(each)
    profile = message_factory.GetMessageClass(pool.FindMessageTypeByName("perftools.profiles.Profile"))

    def parse(data: bytes) -> Any:
        found = profile.FromString(gzip.decompress(data))
        check(found)
        return found

    return parse


def check(profile: Any) -> None:
    """Check what pprof asks of a profile (`CheckValid`), and that nothing in it is unknown to the schema."""
    assert profile.string_table[0] == ""
    assert len(set(profile.string_table)) == len(profile.string_table)
    assert all(len(sample.value) == len(profile.sample_type) for sample in profile.sample)
    functions = [function.id for function in profile.function]
    locations = [location.id for location in profile.location]
    assert 0 not in {*functions, *locations}
    assert (len(set(functions)), len(set(locations))) == (len(functions), len(locations))
    assert {line.function_id for location in profile.location for line in location.line} == set(functions)
    assert {each for sample in profile.sample for each in sample.location_id} <= set(locations)
    places = [each for kind in profile.sample_type for each in (kind.type, kind.unit)]
    places += [each for f in profile.function for each in (f.name, f.system_name, f.filename)]
    assert all(0 <= each < len(profile.string_table) for each in [*places, *profile.comment])
    known = type(profile)()
    known.CopyFrom(profile)
    known.DiscardUnknownFields()
    assert known == profile


def encode(tree: StackTree, **more: Any) -> bytes:
    """Return a tree's file."""
    file = io.BytesIO()
    write_pprof(tree, file, **more)
    return file.getvalue()


def samples(profile: Any) -> Counter[tuple[Any, ...]]:
    """Return the samples: stack, root first, as (function, file, line), and the values."""
    strings = profile.string_table
    functions = {each.id: each for each in profile.function}
    frames = {}
    for location in profile.location:
        (line,) = location.line
        function = functions[line.function_id]
        frames[location.id] = (strings[function.name], strings[function.filename], line.line)
    return Counter(
        (tuple(frames[each] for each in reversed(sample.location_id)), tuple(sample.value))
        for sample in profile.sample
    )


def expected(tree: StackTree) -> Counter[tuple[Any, ...]]:
    """Return what `samples` is to find, made the plain way."""
    found: Counter[tuple[Any, ...]] = Counter()
    for node in range(len(tree.parents)):
        values = tuple(
            round(column[node] * (1e9 if metric.unit == "seconds" else 1))
            for metric, column in zip(tree.metrics, tree.self_values, strict=True)
        )
        stack = tuple(
            (printable(frame.function), printable(shown_file(frame) if frame.path else ""), frame.line)
            for frame in path_to(tree, node)
        )
        if any(values):
            found[stack, values] += 1
    return found


@given(tree=trees(hostile_frames, numbers))
def test_every_stack_is_there_with_its_values(parse: Parse, tree: StackTree) -> None:
    """A foreign parser finds each stack, in order, with its values, positive or negative, and no other."""
    if any(math.fsum(map(abs, column)) * 1e9 >= 2**63 for column in tree.self_values):
        return
    assert samples(parse(encode(tree))) == expected(tree)


def test_metrics_have_names_and_units(parse: Parse) -> None:
    """Seconds become nanoseconds; the first metric is the one that is shown first."""
    profile = parse(encode(several_metrics_tree()))
    strings = profile.string_table
    assert [(strings[each.type], strings[each.unit]) for each in profile.sample_type] == [
        ("heap", "bytes"),
        ("wall time", "nanoseconds"),
        ("allocations", "count"),
    ]
    assert strings[profile.default_sample_type] == "heap"
    assert {values for _, values in samples(profile)} == {
        (0, 2_500_000_000, 1),
        (2048, 250_000_000, 7),
        (1024, 125_000_000, 2),
    }


def test_functions_are_shared_and_told_apart(parse: Parse) -> None:
    """Two lines of one function share it; the same path under two roots is two functions."""
    frames = (
        Frame("main", "etl.py", 40, "own"),
        Frame("main", "etl.py", 41, "own"),
        Frame("main", "etl.py", 40, "own-2"),
        Frame("dumps", "json/__init__.py", 230, "stdlib"),
        Frame("worker", "", 0, "thread"),
    )
    tree = StackTree(
        (Metric("n", "count"),), frames, [-1, 0, 1, 2, 3, 4], [-1, 4, 0, 1, 2, 3], ([0, 1, 1, 1, 1, 1],)
    )
    profile = parse(encode(tree))
    strings = profile.string_table
    assert [(strings[each.name], strings[each.filename]) for each in profile.function] == [
        ("main", "etl.py"),
        ("main", "etl.py"),
        ("dumps", "stdlib/json/__init__.py"),
        ("worker", ""),
    ]
    assert [location.line[0].function_id for location in profile.location] == [1, 1, 2, 3, 4]


def test_time_and_notes_are_there(parse: Parse, tmp_path: Path) -> None:
    """The file says when and how long was recorded, of what, and what the reading notes."""
    reading = Reading(stacks=plain_tree(), notes=("Frames were lost.", "Two\nlines."))
    PprofRenderer().render(sample_source(reading, tmp_path), tmp_path / "profile")
    profile = parse((tmp_path / "profile").read_bytes())
    assert (profile.time_nanos, profile.duration_nanos) == (1_767_225_600 * 10**9, 60 * 10**9)
    subject, *notes = (profile.string_table[each] for each in profile.comment)
    assert subject.endswith("(sample)")
    assert notes == ["Frames were lost.", "Two\\nlines."]


@pytest.mark.parametrize("max_entries", [10, 1_000, 100_000])
def test_deep_stacks_are_cut_only_to_a_size(parse: Parse, max_entries: int, tmp_path: Path) -> None:
    """The option bounds the file, and what is cut is counted further up."""
    source = sample_source(Reading(stacks=chain(5_000)), tmp_path)
    PprofRenderer(max_entries=max_entries).render(source, tmp_path / "profile")
    profile = parse((tmp_path / "profile").read_bytes())
    assert sum(len(sample.location_id) for sample in profile.sample) <= max_entries
    assert sum(sample.value[0] for sample in profile.sample) == 5_001


def test_large_trees_are_whole(parse: Parse, tmp_path: Path) -> None:
    """Nothing is left out of 200,000 nodes when the stacks are as deep as programs are."""
    large = random_tree(200_000)
    parents = [-1, *((node - 1) // 2 for node in range(1, 200_000))]
    tree = StackTree(large.metrics, large.frames, parents, large.frame_ids, large.self_values)
    PprofRenderer().render(sample_source(Reading(stacks=tree), tmp_path), tmp_path / "profile")
    profile = parse((tmp_path / "profile").read_bytes())
    assert sum(sample.value[0] for sample in profile.sample) == sum(tree.self_values[0])
    assert len(profile.sample) == sum(1 for values in zip(*tree.self_values, strict=True) if any(values))


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e308, 2.0**63])
def test_numbers_that_do_not_fit_are_an_error_in_words(value: float) -> None:
    """Damaged numbers, and those over 64 bits, make no file."""
    tree = StackTree((Metric("heap", "bytes"),), (Frame("f", "a.py"),), [-1, 0], [-1, 0], ([value, value],))
    with pytest.raises(CaptureError, match=r"not finite|can hold"):
        encode(tree)


def test_it_is_offered_where_there_are_stacks(tmp_path: Path) -> None:
    """A capture without stacks has no such report, and is told so when asked all the same."""
    assert PprofRenderer().accepts(Capture("cpu", Status.COMPLETE, contents=("stacks",)))
    assert not PprofRenderer().accepts(Capture("cpu", Status.COMPLETE, contents=("functions",)))
    with pytest.raises(CaptureError, match="no stacks"):
        PprofRenderer().render(sample_source(Reading(), tmp_path), tmp_path / "profile")


@pytest.mark.skipif(shutil.which("go") is None, reason="needs Go, which comes with pprof")
@pytest.mark.parametrize("reading", [Reading(stacks=several_metrics_tree()), hostile_reading()])
def test_pprof_itself_reads_it(reading: Reading, tmp_path: Path) -> None:
    """Go's pprof takes the file for valid and finds the whole in it."""
    target = tmp_path / "profile.pb.gz"
    PprofRenderer().render(sample_source(reading, tmp_path), target)
    done = subprocess.run(
        ["go", "tool", "pprof", "-top", "-nodecount=500", "-sample_index=0", str(target)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert reading.stacks is not None
    whole = sum(reading.stacks.self_values[0])
    assert f"of {whole / 1024:.0f}kB total" in done.stdout or f"of {whole:.0f}B total" in done.stdout
