"""Serves the live page from the web server of Donkeycar, a tornado application, beside its own pages.

That server lets anyone who reaches it see the camera and drive the car. The page adds to that a look at the lens, and
the start of a calibration. Other sites that a viewer has open must get neither: they cannot read the token that the
only request with an effect needs, and a name of theirs that points to the car is refused.
"""

import base64
import hashlib
import hmac
import ipaddress
import re
import secrets
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from tornado.web import Application, HTTPError, RequestHandler

from ...edge import strict_json
from .view import LivePage

ACTIONS = ("start", "cancel")
BODY_BYTES_MAX = 200
TOKEN = "@token@"  # in page.html
HOME_NAMES = (".local", ".lan", ".home.arpa", ".internal", ".localdomain")  # that no site on the internet can have


def add_page(vehicle_parts: Iterable[Mapping[str, Any]], page: LivePage) -> str:
    """Add /lens to the web server among the parts of a Vehicle; return its address, empty if there is no server.

    To be called before the Vehicle starts.
    """
    servers = (entry["part"] for entry in vehicle_parts if isinstance(entry["part"], Application))
    server: Any = next(servers, None)
    if server is None:
        return ""
    token = secrets.token_urlsafe()
    html = files("mle_uvad.parts.live").joinpath("page.html").read_text(encoding="utf-8")
    given = {"page": page, "policy": _policy(html), "token": token}
    server.add_handlers(
        r".*",
        [
            (r"/lens", _Page, {**given, "html": html.replace(TOKEN, token)}),
            (r"/lens/state", _State, given),
            (r"/lens/picture.jpg", _Picture, given),
            (r"/lens/calibration", _Calibration, given),
        ],
    )
    return f"http://localhost:{getattr(server, 'port', 8887)}/lens"


def is_own_name(host: str) -> bool:
    """Return whether a host name can only be of the home network: an address, a name without a dot, `car.local`.

    Example:
        >>> [is_own_name(host) for host in ("192.168.1.7", "donkeypi", "donkeypi.local", "evil.example", "")]
        [True, True, True, False, False]
    """
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return bool(host) and ("." not in host or host.lower().endswith(HOME_NAMES))
    return True


def _policy(html: str) -> str:
    """Return a content security policy that allows the page its own script and style, by their hashes, and no other."""
    hashes = {}
    for tag in ("script", "style"):
        [text] = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        hashes[tag] = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{hashes['script']}'; style-src 'sha256-{hashes['style']}';"
        " img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


class _Handler(RequestHandler):
    def initialize(self, page: LivePage, policy: str, token: str) -> None:
        self.page, self.policy, self.token = page, policy, token

    def prepare(self) -> None:
        self._set_headers()
        if not is_own_name(self.request.host_name):
            raise HTTPError(403, reason="open the page by the address of the car")

    def _set_headers(self) -> None:
        self.set_header("Content-Security-Policy", self.policy)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")
        self.set_header("Cache-Control", "no-store")

    def _log(self) -> None:
        """Log what failed only: a page asks several times a second, and tornado would log each."""
        if self.get_status() >= 400:
            super()._log()

    def write_error(self, status_code: int, **_: Any) -> None:
        """Reply with one line: donkeycar's server would add the traceback."""
        self._set_headers()  # tornado has cleared them
        self.set_header("Content-Type", "text/plain")
        self.finish(f"{status_code}: {self._reason}\n")


class _Page(_Handler):
    def initialize(self, page: LivePage, policy: str, token: str, html: str = "") -> None:
        super().initialize(page, policy, token)
        self.html = html

    def get(self) -> None:
        self.finish(self.html)


class _State(_Handler):
    def get(self) -> None:
        self.finish(self.page.state())  # tornado writes a dict as JSON


class _Picture(_Handler):
    def get(self) -> None:
        picture = self.page.picture()
        if picture is None:
            raise HTTPError(404, reason="there is no picture")
        self.set_header("Content-Type", "image/jpeg")
        self.finish(picture)


class _Calibration(_Handler):
    def post(self) -> None:
        origin = self.request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != self.request.host:
            raise HTTPError(403, reason="the request is from another site")
        if not hmac.compare_digest(self.request.headers.get("X-Lens-Token", "").encode(), self.token.encode()):
            raise HTTPError(403, reason="the car was started anew; load the page again")
        self.page.ask(self._action())
        self.set_status(202)
        self.finish()

    def _action(self) -> str:
        try:
            action = strict_json.parse(self.request.body[:BODY_BYTES_MAX])["action"]
        except (ValueError, KeyError, TypeError):
            action = None
        if action not in ACTIONS:
            raise HTTPError(400, reason="give the action start or cancel")
        return str(action)
