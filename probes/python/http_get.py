# SPDX-License-Identifier: MulanPSL-2.0
"""One GET of a page of statistics, within a bound. The alarm of line_probe.run bounds the time."""

import base64
import http.client
import json
import urllib.parse

from line_probe import ProbeError

MAX_BYTES = 32 << 20


def page(url, user="", secret="", tls=None):
    """The body as text. Throws for everything but 200: a statistics page has no reason to move."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ProbeError("the URL must be http://host:port/path, or https")
    if parts.scheme == "http":
        connection = http.client.HTTPConnection(parts.hostname, parts.port)
    else:
        context = None if tls is None else tls.context()
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, context=context)
    headers = {"Connection": "close"}
    if user:
        token = base64.b64encode(f"{user}:{secret}".encode()).decode()
        headers["Authorization"] = f"Basic {token}"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("GET", target, headers=headers)
        answer = connection.getresponse()
        body = answer.read(MAX_BYTES + 1)
    except http.client.HTTPException as error:
        raise ProbeError(f"this is no HTTP server ({type(error).__name__})") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise ProbeError(f"{parts.path or '/'} answers {answer.status} {answer.reason}")
    if len(body) > MAX_BYTES:
        raise ProbeError(f"the page has more than {MAX_BYTES} bytes")
    return body.decode("utf-8", "replace")


def json_page(url, user="", secret="", tls=None):
    """What the page says as JSON."""
    text = page(url, user, secret, tls)
    try:
        return json.loads(text)
    except ValueError as error:
        raise ProbeError("the page is no JSON") from error


def address(url):
    """host:port of the URL, to tell servers apart; never its user or password."""
    parts = urllib.parse.urlsplit(url)
    return f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
