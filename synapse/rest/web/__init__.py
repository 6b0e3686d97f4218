"""What people see who open the server in a browser."""

from html import escape

from synapse import __version__
from synapse.config.server import ServerConfig
from synapse.http.request import Request
from synapse.http.resource import Resource
from synapse.http.response import Json, Response

_PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{server_name}</title>
<style>
  body {{ font: 1.1rem/1.6 system-ui, sans-serif; max-width: 36rem; margin: 15vh auto;
         padding: 0 1rem; color: #222; background: #fff }}
  code {{ background: #eee; padding: .1em .3em; border-radius: .2em }}
  @media (prefers-color-scheme: dark) {{
    body {{ color: #ddd; background: #1b1b1b }} a {{ color: #8cf }} code {{ background: #333 }}
  }}
</style>
<h1>It works! The server is running.</h1>
<p>This is the <a href="https://matrix.org/">Matrix</a> homeserver of
<strong>{server_name}</strong>, Synapse {version}.</p>
<p>To use it you need a <a href="https://matrix.org/ecosystem/clients/">Matrix client</a>. Enter
<code>{base_url}</code> as the homeserver when you sign in.</p>
</html>
"""


class Welcome(Resource):
    """`GET /`: that the server runs, or the way to the web client"""

    PATHS = ("/", "/_matrix/static", "/_matrix/static/")

    def __init__(self, config: ServerConfig) -> None:
        self._location = config.web_client_location
        self._server_name = config.server_name

    async def get(self, request: Request) -> Json:
        if self._location is not None:
            return Response(302, headers=[("Location", self._location)], content_type="text/html")
        # What brought a browser here will do for a client.
        base_url = f"{'https' if request.secure else 'http'}://{request.header('host')}"
        page = _PAGE.format(
            server_name=escape(self._server_name),
            version=__version__,
            base_url=escape(base_url),
        )
        policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
        return Response(
            body=page.encode(),
            content_type="text/html; charset=utf-8",
            headers=[("Content-Security-Policy", policy)],
        )
