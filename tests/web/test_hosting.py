"""The app works wherever a host puts it, and adds what the host gives."""

from __future__ import annotations

import re

from fastapi import FastAPI

from tests.web.site import Place, client_of


def test_every_address_has_the_prefix_of_the_mount(place: Place) -> None:
    """No link, script or style leads out of the prefix, and the pages answer below it."""
    found = place.put()
    outer = FastAPI()
    outer.mount("/some/where", place.app())
    client = client_of(outer)
    for page in ("/some/where/", f"/some/where/recordings/{found.id}"):
        answer = client.get(page)
        assert answer.status_code == 200
        addresses = re.findall(r'(?:href|src|action)="(/[^"]*)"', answer.text)
        assert addresses
        assert [each for each in addresses if not each.startswith("/some/where/")] == []
        styles = [each for each in addresses if each.endswith("app.css")]
        assert [client.get(each).status_code for each in styles] == [200]
        assert 'data-base="/some/where"' in answer.text
