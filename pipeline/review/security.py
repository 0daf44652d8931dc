"""The gate before the review app: who may ask, from where, and what browsers may do with the answers.

The app shows hostile documents on a machine where other people, other pages and other programs may knock. So: only
this machine's own names in Host (against DNS rebinding), a session that starts with a link that works once, Origin and
a form token on everything that changes something, and headers that allow nothing but the app's own files.
"""

from __future__ import annotations

import hmac
import secrets
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

OWN_NAMES = frozenset({"127.0.0.1", "localhost"})
BODY_BYTES = 100_000  # of a form; a decision is a few hundred
FIELDS = 30  # of a form
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # not no-referrer: with that, browsers send Origin: null with forms
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}


class Session:
    """One person at one browser: a link that works once, then a cookie, and a token for forms."""

    def __init__(self, token: str) -> None:
        self._token: str | None = token
        self._secret = secrets.token_urlsafe(32)
        # Cookies do not tell ports apart: a name of its own keeps two review apps on one machine apart.
        self.cookie = f"clean-corpus-{secrets.token_hex(4)}"
        self.form_token = secrets.token_urlsafe(32)

    def redeem(self, token: str) -> bool:
        """Whether `token` is the one of the link; it is used up by that."""
        if self._token is None or not _same(token, self._token):
            return False
        self._token = None
        return True

    def knows(self, headers: Headers) -> bool:
        """Whether the request carries the session's cookie."""
        try:
            morsel = SimpleCookie(headers.get("cookie", "")).get(self.cookie)
        except CookieError:
            return False
        return morsel is not None and _same(morsel.value, self._secret)

    def open(self, response: Response) -> Response:
        """The response with the session's cookie."""
        response.set_cookie(self.cookie, self._secret, httponly=True, samesite="strict", path="/")
        return response


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())


class Guard:
    """ASGI middleware: lets a request through to the app, or answers it."""

    def __init__(self, app: ASGIApp, session: Session) -> None:
        self.app = app
        self.session = session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # no websockets here
            await send({"type": "websocket.close", "code": 1008})
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        answer = self._refuse(scope)
        await (answer or self.app)(scope, receive, send_with_headers)

    def _refuse(self, scope: Scope) -> Response | None:
        """An answer of the gate's own; None to let the request through."""
        headers, method = Headers(scope=scope), scope["method"]
        host = headers.get("host", "")
        if _name(host) not in OWN_NAMES:
            return _no(421, "This app answers only to 127.0.0.1 and localhost.")
        if method not in ("GET", "HEAD", "POST"):
            return _no(405, "Only GET, HEAD and POST.")
        if method == "POST" and headers.get("origin") != f"http://{host}":
            return _no(403, "A form of another site, or of none.")
        if method == "POST" and headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return _no(403, "A form of another site.")
        if self.session.knows(headers):
            return None
        token = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
        if method == "GET" and scope["path"] == "/" and self.session.redeem(token):
            return self.session.open(RedirectResponse("/", status_code=303))
        return _no(
            403, "The link that `clean-corpus review` prints works once, in one browser. Run it again for a new one."
        )


def _name(host: str) -> str:
    """The name in a Host header, without its port; empty if the port is none."""
    name, colon, port = host.rpartition(":")
    if not colon:
        return host.lower()
    return name.lower() if port.isascii() and port.isdigit() else ""


def _no(status: int, why: str) -> Response:
    return PlainTextResponse(f"{why}\n", status_code=status)


async def read_form(request: Request, session: Session) -> dict[str, str] | None:
    """The fields of a form, the last of each name; None if it is too large, not a form, or lacks the form token."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES:
            return None
    try:
        fields = parse_qs(body.decode("utf-8"), keep_blank_values=True, max_num_fields=FIELDS, errors="strict")
    except (ValueError, UnicodeDecodeError):
        return None
    form = {name: values[-1] for name, values in fields.items()}
    return form if _same(form.get("token", ""), session.form_token) else None
