"""HOST and PORT as people, shells and other programs set them."""

from __future__ import annotations

import pytest

from deploy.web_address import WebAddressError, read


@pytest.mark.parametrize(
    ("host", "bind", "url"),
    [
        ("", "127.0.0.1:80", "http://127.0.0.1:80"),
        ("0.0.0.0", "0.0.0.0:80", "http://127.0.0.1:80"),
        ("::1", "[::1]:80", "http://[::1]:80"),
        (" [::1] ", "[::1]:80", "http://[::1]:80"),
        ("::", "[::]:80", "http://[::1]:80"),
        ("localhost", "localhost:80", "http://localhost:80"),
        ("x86_64-conda-linux-gnu", "127.0.0.1:80", "http://127.0.0.1:80"),
        ("desk-17.example.com", "127.0.0.1:80", "http://127.0.0.1:80"),
    ],
)
def test_an_address_is_written_as_gunicorn_and_a_browser_want_it(host: str, bind: str, url: str) -> None:
    address = read({"HOST": host, "PORT": "80"})
    assert (address.bind, address.url) == (bind, url)


def test_an_empty_port_is_the_usual_one() -> None:
    assert read({"PORT": " "}).port == read({}).port == 8000


@pytest.mark.parametrize("port", ["0", "65536", "-1", "8000x", "80.0", "٨٠", "1e3", "999999999"])
def test_what_is_no_port_is_refused_by_its_name(port: str) -> None:
    with pytest.raises(WebAddressError, match="PORT must be a number from 1 to 65535"):
        read({"PORT": port})
