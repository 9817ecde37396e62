"""A person in a browser in a real Airflow: finds the pages, asks for a profile, and sees what came of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.airflow.browser.conftest import USER, Tab
from tools.airflow_api import AirflowApi, quietly
from tools.airflow_stack import Airflow

if TYPE_CHECKING:
    from playwright.sync_api import FrameLocator, Page

pytestmark = pytest.mark.slow
DAG, TASK = "open_dag", "load"
RUN_SECONDS = 600.0


def framed(airflow: Airflow, page: Page) -> FrameLocator | Page:
    """Return where our page is: in a frame of Airflow 3, by itself in Airflow 2."""
    return page.frame_locator("iframe[src*='profilerkit']") if airflow.major == 3 else page


def open_task(airflow: Airflow, page: Page, run_id: str) -> FrameLocator | Page:
    """Open our page of a task instance as somebody does who looks at that task in Airflow."""
    if airflow.major == 3:
        page.goto(f"{airflow.url}/dags/{DAG}/runs/{run_id}/tasks/{TASK}")
        page.get_by_role("link", name="Profiles", exact=True).or_(
            page.get_by_role("tab", name="Profiles", exact=True)
        ).first.click()
    else:
        query = {"dag_id": DAG, "task_id": TASK, "run_id": run_id, "map_index": "-1"}
        address = "&".join(f"{key}={value.replace('+', '%2B')}" for key, value in query.items())
        page.goto(f"{airflow.url}/profilerkit/task?{address}")
    return framed(airflow, page)


def run_to_its_end(airflow: Airflow, api: AirflowApi) -> str:
    """Run the DAG and return the run's id."""
    run_id = api.trigger(DAG)
    state = airflow.wait_for(lambda: quietly(lambda: api.ended(DAG, run_id)), "a run", seconds=RUN_SECONDS)
    assert state == "success"
    return run_id


def test_the_navigation_leads_to_the_profiles(airflow: Airflow, tab: Tab) -> None:
    """It is under Browse, for who is an administrator; nothing in it complains."""
    page = tab.page
    page.goto(f"{airflow.url}/home" if airflow.major == 2 else f"{airflow.url}/")
    if airflow.major == 3:
        page.get_by_role("button", name="Browse").click()
        page.get_by_role("menuitem", name="Profiles").click()
    else:
        page.get_by_role("link", name="Browse").click()
        page.get_by_role("link", name="Profiles", exact=True).click()
    framed(airflow, page).get_by_role("heading", name="Profiles", exact=True).wait_for()
    assert [each for each in tab.complaints if "profilerkit" in each] == []


def test_whoever_asks_sees_the_next_run_profiled(airflow: Airflow, api: AirflowApi, tab: Tab) -> None:
    """A run that nobody chose has no profile; the one after a request has, and the request is used up."""
    page = tab.page
    before = run_to_its_end(airflow, api)
    ours = open_task(airflow, page, before)
    ours.get_by_role("heading", name="No profile of this run of the task").wait_for()
    for box in ours.get_by_role("checkbox", name="memray").all()[:1]:
        box.uncheck()
    ours.get_by_label("Number of runs").fill("1")
    ours.get_by_role("button", name="Profile the next runs").click()
    ours.get_by_text("Asked.").wait_for()

    after = run_to_its_end(airflow, api)
    again = run_to_its_end(airflow, api)
    ours = open_task(airflow, page, after)
    ours.get_by_text("asked for", exact=True).wait_for()
    assert ours.locator("#tries a.tag").all_inner_texts() == ["resources", "cpu"]
    ours = open_task(airflow, page, again)
    ours.get_by_role("heading", name="No profile of this run of the task").wait_for()
    assert tab.complaints == []


def test_a_run_is_cleared_and_profiled(airflow: Airflow, api: AirflowApi, tab: Tab) -> None:
    """One click has that task instance run again, recorded; the request then ends by itself."""
    page = tab.page
    run_id = run_to_its_end(airflow, api)
    ours = open_task(airflow, page, run_id)
    ours.get_by_role("button", name="Clear and profile this run").click()
    ours.get_by_text("Asked.").wait_for()
    airflow.wait_for(lambda: quietly(lambda: api.ended(DAG, run_id)), "the run", seconds=RUN_SECONDS)
    ours = open_task(airflow, page, run_id)
    ours.get_by_text("try 2").first.wait_for()
    ours.get_by_text("asked for", exact=True).wait_for()
    page.goto(f"{airflow.url}/profilerkit/requests")
    page.get_by_role("heading", name="Requests", exact=True).wait_for()
    assert run_id not in page.content()


def test_a_request_is_shown_with_who_asked_and_can_be_ended(airflow: Airflow, tab: Tab) -> None:
    """The page Requests has a row for it, and a button."""
    page = tab.page
    page.goto(f"{airflow.url}/profilerkit/task?dag_id={DAG}&task_id={TASK}")
    page.get_by_role("button", name="Profile the next runs").click()
    page.get_by_text("Asked.").wait_for()
    page.get_by_role("link", name="Requests", exact=True).click()
    row = page.locator("#requests tbody tr").first
    assert "0 of 3 runs" in row.inner_text()
    assert re.search(USER if airflow.major == 3 else "A B", row.inner_text())
    row.get_by_role("button", name="Cancel").click()
    page.get_by_role("heading", name="Nobody asks for anything").wait_for()


def test_our_pages_are_dark_and_light_with_airflow(airflow: Airflow, tab: Tab) -> None:
    """In Airflow 3 they follow its switch while they are open, in Airflow 2 what was chosen there."""
    page = tab.page
    if airflow.major == 3:
        page.goto(f"{airflow.url}/plugin/profilerkit-nav")
        ours = framed(airflow, page)
        ours.get_by_role("heading", name="Profiles", exact=True).wait_for()
        for theme, other in (("dark", "light"), ("light", "dark")):
            page.evaluate(
                "([now, before]) => { document.documentElement.classList.remove(before);"
                " document.documentElement.classList.add(now); }",
                [theme, other],
            )
            ours.locator(f"html[data-theme={theme}]").wait_for(state="attached")
        return
    for theme, dark in (("dark", "true"), ("light", "false")):
        page.goto(f"{airflow.url}/home")
        page.evaluate("(dark) => localStorage.setItem('darkTheme', dark)", dark)
        page.goto(f"{airflow.url}/profilerkit/")
        page.locator(f"html[data-theme={theme}]").wait_for(state="attached")


def test_a_link_out_of_the_frame_leads_airflow_to_the_task(
    airflow: Airflow, api: AirflowApi, tab: Tab
) -> None:
    """The whole of Airflow goes there, not the frame."""
    page = tab.page
    run_id = run_to_its_end(airflow, api)
    ours = open_task(airflow, page, run_id)
    ours.get_by_role("link", name="Task in Airflow").click()
    page.wait_for_url(re.compile(rf"/dags/{DAG}/(runs/|grid)"))
    assert run_id in page.url.replace("%3A", ":").replace("%2B", "+")
