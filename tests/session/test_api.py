"""The Python API records blocks and functions of every kind, and changes nothing about them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.lab import Lab


def run_script(lab: Lab, text: str) -> tuple[str, list[dict[str, Any]]]:
    """Run a program that uses the API; return what it prints and the recordings, oldest first."""
    process = lab.start_python(lab.script("import profilerkit\n" + text).name, stderr=-1)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert err == ""
    lab.wait_shipped()
    return out, lab.list()[::-1]


def test_a_block(lab: Lab) -> None:
    """A block is one recording with the name and labels given; its id is known inside."""
    out, (found,) = run_script(
        lab,
        "with profilerkit.profile('memray', 'cpu', name='nightly', labels={'team': 'data'}) as recording:\n"
        "    kept = [bytearray(1000) for _ in range(1000)]\n"
        "print(recording.id)\n",
    )
    assert out.strip() == found["id"]
    assert (found["names"], found["labels"]) == ({"name": "nightly"}, {"team": "data"})
    assert (found["status"], found["outcome"], found["profilers"]) == (
        "complete",
        "success",
        ["memray", "cpu"],
    )
    assert found["summary"]["peak_heap_bytes"] > 1_000_000


def test_an_exception_of_a_block_goes_on(lab: Lab) -> None:
    """It is the same object, and the recording is failed."""
    out, (found,) = run_script(
        lab,
        "error = ValueError('x')\n"
        "try:\n"
        "    with profilerkit.profile('cpu'):\n"
        "        raise error\n"
        "except ValueError as caught:\n"
        "    print(caught is error)\n",
    )
    assert out == "True\n"
    assert (found["status"], found["outcome"]) == ("complete", "failed")


KINDS = """
import asyncio, inspect

@profilerkit.profile("resources")
def plain(a, *, b=2):
    "Its words."
    return a + b

@profilerkit.profile("resources")
def generator():
    try:
        received = yield 1
        yield received
    except KeyError:
        yield "caught"
    return "end"

@profilerkit.profile("resources")
async def coroutine(x):
    await asyncio.sleep(0)
    return x * 2

@profilerkit.profile("resources")
async def async_generator():
    try:
        received = yield 1
        yield received
    except KeyError:
        yield "caught"

async def use():
    found = [await coroutine(4)]
    items = async_generator()
    found += [await items.__anext__(), await items.asend("sent"), await items.athrow(KeyError())]
    await items.aclose()
    return found

items = generator()
found = [plain(1), plain.__doc__, plain.__name__, next(items), items.send("sent"), items.throw(KeyError())]
try:
    next(items)
except StopIteration as stop:
    found.append(stop.value)
found += asyncio.run(use())
kinds = [inspect.isgeneratorfunction(generator), inspect.iscoroutinefunction(coroutine),
         inspect.isasyncgenfunction(async_generator)]
import json
print(json.dumps([found, kinds]))
"""


def test_functions_of_every_kind(lab: Lab) -> None:
    """Plain, generator, async and async generator functions behave as without us; each run is a recording."""
    out, found = run_script(lab, KINDS)
    values, kinds = json.loads(out)
    assert values == [3, "Its words.", "plain", 1, "sent", "caught", "end", 8, 1, "sent", "caught"]
    assert kinds == [True, True, True]
    assert {each["names"]["name"] for each in found} == {"plain", "generator", "coroutine", "async_generator"}
    assert [each["status"] for each in found] == ["complete"] * 4


def test_two_blocks_at_once(lab: Lab) -> None:
    """What one recording has claimed the inner one goes without, and says so."""
    _, found = run_script(
        lab,
        "with profilerkit.profile('memray', name='outer'):\n"
        "    with profilerkit.profile('memray', 'resources', name='inner'):\n"
        "        kept = bytearray(10**6)\n",
    )
    outer, inner = sorted(found, key=lambda each: str(each["names"]["name"]), reverse=True)
    assert outer["status"] == "complete"
    assert inner["status"] == "partial"
    captures = {each["profiler"]: each for each in lab.show(inner["id"])["captures"]}
    assert captures["memray"]["status"] == "skipped"
    assert captures["memray"]["error"]


def test_a_child_goes_on_unrecorded_and_may_record_itself(lab: Lab) -> None:
    """After a fork the parent's recording is whole, and the child's own is another."""
    _, found = run_script(
        lab,
        "import os\n"
        "with profilerkit.profile('memray', name='parent'):\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        with profilerkit.profile('memray', name='child'):\n"
        "            kept = bytearray(10**6)\n"
        "        os._exit(0)\n"
        "    assert os.waitpid(child, 0)[1] == 0\n",
    )
    assert {each["names"]["name"]: each["status"] for each in found} == {
        "parent": "complete",
        "child": "complete",
    }


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("profilerkit.profile('nonsense')", "No profiler named 'nonsense'"),
        ("profilerkit.profile('memray', options={'memray': {'nonsense': 1}})", "no option 'nonsense'"),
        ("profilerkit.profile('memray', colour=1)", "no setting 'colour'"),
        ("profilerkit.profile(lambda: 1)", "names of profilers"),
    ],
)
def test_misuse_is_said_at_once(lab: Lab, call: str, words: str) -> None:
    """What cannot be is a UsageError where it is written, not when it runs."""
    code = (
        f"import profilerkit.errors\ntry:\n    {call}\n"
        "except profilerkit.errors.UsageError as error:\n    print(error)\n"
    )
    process = lab.start_python(lab.script("import profilerkit\n" + code).name)
    out, _ = process.communicate(timeout=60)
    assert words in out


def test_waiting_for_the_upload(lab: Lab) -> None:
    """`wait_shipped` returns when the recording is in the store."""
    process = lab.start_python(
        lab.script(
            "import profilerkit\nwith profilerkit.profile('resources') as recording:\n    pass\n"
            "print(recording.wait_shipped(60))\n"
        ).name
    )
    out, _ = process.communicate(timeout=90)
    assert out == "True\n"
    assert len(list(lab.store.glob("journal/*/*-final.json"))) == 1
