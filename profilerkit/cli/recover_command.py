"""`profilerkit recover`: ship what dead processes left in this host's spool."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import rich_click as click

from profilerkit.cli.shared import common, json_option
from profilerkit.errors import ProfilerKitError
from profilerkit.settings import Settings

LONGEST_WAIT_SECONDS = 30.0
"""How long another ship of this store is waited for."""


@click.command()
@json_option
@common
def command(as_json: bool, settings: Settings, quiet: bool, verbose: bool) -> None:
    """Upload recordings that a killed watcher, a reboot or an unreachable store left behind here."""
    from profilerkit.cli.progress import working
    from profilerkit.views import list_json

    with working("Shipping", quiet=quiet):
        shipped, left, errors = _recover(settings)
    if as_json:
        answer = {"shipped": [list_json(each) for each in shipped], "left": left, "errors": errors}
        click.echo(json.dumps(answer, indent=2))
    else:
        for each in shipped:
            click.echo(f"Shipped {each.id} ({each.subject}, {each.status.value}).")
        for spool in left:
            click.echo(f"Left {spool['id']}: {spool['reason']}.")
        if not shipped and not left:
            click.echo("Nothing was left behind.")
    if errors:
        raise ProfilerKitError(errors[0], "What is in the spool stays there.")


def _recover(settings: Settings) -> tuple[list[Any], list[dict[str, str]], list[str]]:
    from profilerkit import spool
    from profilerkit.archive import Archive
    from profilerkit.ship import Ship, ship_all
    from profilerkit.stores import open_store
    from profilerkit.storeurl import store_fingerprint

    root = settings.spool_folder
    fingerprint = store_fingerprint(settings.store_url)
    if not root.is_dir():
        return [], [], []
    archive = Archive(open_store(settings.store_url, settings.storage_options or None))
    spool.sweep(root)
    lock = _wait_for(spool.ship_lock(root, fingerprint))
    if lock is None:
        return [], [], ["Another process is shipping to this store at the moment. Try again when it is done."]
    try:
        shipped, errors = ship_all(Ship(root, archive, fingerprint))
    finally:
        os.close(lock)
    return shipped, [left for folder in spool.folders(root) for left in _left(folder, fingerprint)], errors


def _wait_for(path: Path) -> int | None:
    """Take the ship lock, waiting while another ship is at work."""
    from profilerkit import spool

    end = time.monotonic() + LONGEST_WAIT_SECONDS
    while (lock := spool.lock(path)) is None and time.monotonic() < end:
        time.sleep(0.2)
    return lock


def _left(folder: Any, fingerprint: str) -> list[dict[str, str]]:
    from profilerkit import spool

    session = spool.read_json(folder / spool.SESSION)
    if session is None or "store" not in session:
        return [{"id": folder.name, "reason": "its spool is damaged; remove the folder by hand"}]
    if session["store"]["fingerprint"] != fingerprint:
        label = session["store"]["label"]
        return [
            {"id": folder.name, "reason": f"it belongs to another store: profilerkit recover --store {label}"}
        ]
    if spool.is_orphan(folder, session):
        state = spool.read_json(folder / spool.SHIP) or {}
        return [{"id": folder.name, "reason": str(state.get("error") or "it could not be shipped")}]
    if session.get("phase") == "ended" or (spool.read_json(folder / spool.WATCHER) or {}).get("died_at"):
        state = spool.read_json(folder / spool.SHIP) or {}
        return [
            {"id": folder.name, "reason": f"it waits for the store: {state.get('error') or 'not tried yet'}"}
        ]
    return [{"id": folder.name, "reason": "it is still being recorded"}]
