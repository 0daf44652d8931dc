"""The review app: pages over the published tables, and forms that become decisions.

Everything is rendered here; the one script only asks before leaving and puts a selected line into a form. Pages are
made one after the other: the app serves one person.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import secrets
import socket
import threading
import webbrowser
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from pipeline.decisions import FILE_NAME, read_decisions
from pipeline.errors import RunError
from pipeline.report.page import TEMPLATES as REPORT_TEMPLATES
from pipeline.review import pages
from pipeline.review.deciding import decide, tell
from pipeline.review.published import Published
from pipeline.review.security import Guard, Session, read_form
from pipeline.review.templating import environment

HERE = Path(__file__).parent
STATIC = {  # the only files that are served; none of them comes from CLEAN
    "report.css": REPORT_TEMPLATES / "report.css",
    "review.css": HERE / "static" / "review.css",
    "review.js": HERE / "static" / "review.js",
}
Page = Callable[[Request, Published, "Context"], "tuple[str, dict[str, Any]] | None"]


class Context:
    """What the pages of one app share: the corpus as it is published now, the session, who decides."""

    def __init__(self, clean: Path, session: Session, who: str) -> None:
        self.clean = clean
        self.session = session
        self.who = who
        self._published = Published(clean).warm()

    def published(self) -> Published:
        """The corpus; opened anew when a run has published another one. Raises RunError when there is none."""
        if not self._published.is_current():
            self._published = Published(self.clean).warm()
        return self._published

    def told(self, published: Published) -> list[Any]:
        """Every decision with its state."""
        return tell(read_decisions(self.clean / FILE_NAME), published.report)

    def times(self) -> Mapping[str, Any]:
        """What the last run took, from `.state/run.json`; empty if that is not there."""
        path = (self.clean / ".state" / "run.json").resolve()
        if not path.is_relative_to(self.clean.resolve()):
            return {}
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return value if isinstance(value, dict) else {}


def create_app(clean: Path, token: str, who: str | None = None) -> Starlette:
    """The app over a CLEAN folder. `token` opens it, once: `GET /?token=…` gives the browser its session.

    Raises RunError when nothing is published in `clean`.
    """
    session = Session(token)
    context = Context(clean, session, who or _user())
    routes = [Route(path, _page(view, context)) for path, view in pages.PAGES.items()]
    routes += [
        Route("/decide", _decide(context), methods=["POST"]),
        Route("/static/{name}", _static),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(Guard, session=session)],
        exception_handlers={404: _not_found, 405: _not_found, RunError: _run_error},
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


def _page(view: Page, context: Context) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        published = context.published()
        made = view(request, published, context)
        if made is None:
            return _message("There is no such document or cluster in what is published now.", 404)
        template, values = made
        common = {
            "form_token": context.session.form_token,
            "here": _here(request),
            "waiting": sum(1 for told in context.told(published) if "pending" in told.state),
            "path": request.url.path,
        }
        return HTMLResponse(environment().get_template(template).render(common | values))

    return endpoint


def _here(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def _decide(context: Context) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        form = await read_form(request, context.session)
        if form is None:
            return _message("That form is not from this session. Go back, reload the page and try again.", 403)
        try:
            decide(context.clean, form, context.who, context.published())
        except ValueError as error:
            return _message(f"Not decided: {error}.", 400)
        except OSError as error:
            return _message(f"Not decided: decisions.jsonl could not be written ({error}).", 500)
        return RedirectResponse(_local(form.get("back", "/")), status_code=303)

    return endpoint


def _local(target: str) -> str:
    """A path of this app, whatever the form said: no other host, no other scheme."""
    parts = urlsplit(target.replace("\\", "/"))
    if parts.scheme or parts.netloc or not parts.path.startswith("/") or parts.path.startswith("//"):
        return "/"
    path = parts.path if parts.path in pages.PAGES else "/"
    return path + (f"?{parts.query}" if parts.query and path != "/" else "")


async def _static(request: Request) -> Response:
    path = STATIC.get(request.path_params["name"])
    return FileResponse(path) if path else _message("There is no such file.", 404)


async def _not_found(_request: Request, error: Exception) -> Response:
    return _message("There is no such page.", getattr(error, "status_code", 404))


async def _run_error(_request: Request, error: Exception) -> Response:
    return _message(str(error), 503)


def _message(text: str, status: int) -> Response:
    return HTMLResponse(environment().get_template("message.html.j2").render(text=text), status_code=status)


def serve(clean: Path, port: int | None, open_browser: bool) -> None:
    """Serve the app on 127.0.0.1 until it is interrupted. Raises RunError when that cannot be."""
    import uvicorn

    token = secrets.token_urlsafe(24)
    app = create_app(clean, token)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port or 0))
    except OSError as error:
        listener.close()
        raise RunError(f"127.0.0.1:{port}: {error.strerror}. Name another port with --port, or none.") from None
    address = f"http://127.0.0.1:{listener.getsockname()[1]}/?token={token}"
    print(f"Review {clean} at\n\n    {address}\n\nThe link works once. Ctrl-C ends the review.", flush=True)
    if open_browser:
        threading.Timer(0.5, _open, [address]).start()
    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, lifespan="off")
    with contextlib.closing(listener), contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])


def _open(address: str) -> None:
    with contextlib.suppress(webbrowser.Error):
        webbrowser.open(address)
