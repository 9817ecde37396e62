"""`profilerkit serve`: show the recordings of a store in a browser."""

from __future__ import annotations

import rich_click as click

from profilerkit.cli.shared import common
from profilerkit.errors import UnavailableError
from profilerkit.settings import Settings

EXTRA = "pip install 'profilerkit[web]'"


def _name_of_a_host(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    try:
        value.encode("idna")
    except UnicodeError:
        raise click.BadParameter(f"{value[:100]!r} is no name of a host.") from None
    return value


def _text(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    try:
        (value or "").encode()
    except UnicodeEncodeError:
        raise click.BadParameter("A token is text in UTF-8.") from None
    return value


@click.command()
@click.option(
    "--host",
    default="127.0.0.1",
    callback=_name_of_a_host,
    show_default=True,
    metavar="H",
    help="The address to listen on; any but this machine's own needs a token.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8765,
    show_default=True,
    metavar="P",
    help="The port; 0 takes a free one.",
)
@click.option(
    "--token",
    envvar="PROFILERKIT_TOKEN",
    callback=_text,
    metavar="T",
    help="What visitors have to know. One is made and printed where it is needed and not given.",
)
@common
def command(host: str, port: int, token: str | None, settings: Settings, quiet: bool, verbose: bool) -> None:
    """Show recordings in a browser: the list, each recording with its reports, comparisons, trends.

    On this machine's own address everybody on the machine may look; on another one only who has the token.
    """
    require_web()
    from profilerkit.web import serving

    place = serving.Place(host, port)
    listening = serving.listen(place)
    place = serving.Place(host, listening.getsockname()[1])
    if token is None and not place.is_loopback:
        import secrets

        token = secrets.token_urlsafe(24)
    access = serving.access_for(place, token)
    click.echo(place.url(token))
    if not quiet:
        from profilerkit.cli.app import say
        from profilerkit.storeurl import store_label

        say(f"shows {store_label(settings.store_url)}; Ctrl-C ends it")
    serving.serve(settings, listening, access, verbose=verbose)


def require_web() -> None:
    """Raise UnavailableError when what serves is not installed."""
    from importlib.util import find_spec

    missing = next((each for each in ("fastapi", "jinja2", "uvicorn") if find_spec(each) is None), None)
    if missing is not None:
        raise UnavailableError(f"The web app is not installed ({missing} is missing).", f"Run {EXTRA}")
