"""Below the path at which a proxy shows Airflow, every address of ours stays below it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.airflow.support.served import OPEN, RUN, Served, served


@pytest.fixture(scope="module")
def prefixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve the pages at /data/airflow."""
    with served(tmp_path_factory.mktemp("prefixed"), base_path="/data/airflow") as found:
        yield found


def test_every_address_keeps_the_prefix(prefixed: Served) -> None:
    """Links, forms, files and redirects; what is linked is there."""
    client = prefixed.client("admin")
    query = {"dag_id": OPEN, "task_id": "load", "run_id": RUN}
    for path in ("/", f"/recordings/{prefixed.ids['task_open']}", "/plugins", "/requests", "/setup"):
        page = client.get(f"{prefixed.airflow.base_path}/profilerkit{path}")
        assert page.status_code == 200, path
        addresses = set(re.findall(r'(?:href|src|action)="(/[^"]*)"', page.text))
        assert [each for each in addresses if not each.startswith("/data/airflow/")] == [], path
    page = client.get(f"{prefixed.airflow.base_path}/profilerkit/task", params=query)
    for address in sorted(set(re.findall(r'(?:href|src)="(/[^"#]*profilerkit[^"#]*)"', page.text))):
        found = client.get(address.replace("&amp;", "&"))
        assert found.status_code in (200, 303), address
    moved = client.get(f"{prefixed.airflow.base_path}/profilerkit/dag", params={"dag_id": OPEN})
    assert moved.headers["location"].startswith("/data/airflow/profilerkit/?q=")


def test_airflow_shows_us_below_the_prefix(prefixed: Served) -> None:
    """The entries that Airflow has of us lead below its prefix too."""
    client = prefixed.client("admin")
    if prefixed.airflow.major == 3:
        found = client.get(f"{prefixed.airflow.base_path}/api/v2/plugins").json()["plugins"]
        views = next(each["external_views"] for each in found if each["name"] == "profilerkit")
        assert {"nav", "dag", "task", "task_instance"} == {each["destination"] for each in views}
        assert all(each["href"].startswith("profilerkit/") for each in views)
    else:
        home = client.get(f"{prefixed.airflow.base_path}/home").text
        assert 'href="/data/airflow/profilerkit/"' in home
