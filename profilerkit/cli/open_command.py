"""`profilerkit open`: show one recording in a browser, with a server that is started if none answers."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping

import rich_click as click

from profilerkit.cli.serve_command import require_web
from profilerkit.cli.shared import common, recording_argument
from profilerkit.errors import ProfilerKitError
from profilerkit.settings import Settings

START_SECONDS = 30.0


@click.command()
@recording_argument
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=8765,
    show_default=True,
    metavar="P",
    help="The port of the server; one is started there if none answers.",
)
@click.option("--print", "only_print", is_flag=True, help="Print the address and open no browser.")
@common
def command(
    recording: str, port: int, only_print: bool, settings: Settings, quiet: bool, verbose: bool
) -> None:
    """Open a recording in the browser; start `profilerkit serve` for it if none answers.

    RECORDING is an id, the beginning of one, or `latest`. A server that was started goes on until it is
    ended: its process id is printed.
    """
    from profilerkit.cli.app import say
    from profilerkit.library import Library
    from profilerkit.web.addresses import Addresses

    require_web()
    found = Library(settings).find(recording).recording
    base = f"http://127.0.0.1:{port}"
    if not _serves(base, settings):
        process = _start(port, settings)
        _wait(base, settings, process)
        if not quiet:
            say(f"started a server on port {port}; end it with: kill {process.pid}")
    address = Addresses(base).recording(found.id)
    click.echo(address)
    if not only_print:
        click.launch(address)


def _serves(base: str, settings: Settings) -> bool:
    """Tell whether our server for this store answers there. Raises ProfilerKitError when another does."""
    from profilerkit.storeurl import store_fingerprint

    try:
        # Not through a proxy: it is this machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{base}/api/v1/health", timeout=5) as answer:
            import json

            found = json.load(answer)
    except urllib.error.HTTPError as error:
        raise ProfilerKitError(
            f"Something else answers on {base}, or it wants a token ({error.code}).", "Choose another --port."
        ) from None
    except (OSError, ValueError):
        return False
    if not isinstance(found, Mapping) or found.get("store") != store_fingerprint(settings.store_url):
        raise ProfilerKitError(f"The server on {base} shows another store.", "Choose another --port.")
    return True


def _start(port: int, settings: Settings) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "profilerkit", "serve", "--port", str(port), "--quiet"]
    return subprocess.Popen(
        command,
        env={**os.environ, "PROFILERKIT_STORE": settings.store_url},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def _wait(base: str, settings: Settings, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_SECONDS
    while not _serves(base, settings):
        if process.poll() is not None:
            words = process.stderr.read().decode("utf-8", "replace").strip() if process.stderr else ""
            raise ProfilerKitError(f"The server did not start ({words[-300:] or process.returncode}).")
        if time.monotonic() > end:
            process.terminate()
            raise ProfilerKitError(f"The server did not answer within {START_SECONDS:.0f} s.")
        time.sleep(0.1)
