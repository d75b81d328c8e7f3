"""Where a judge's server is, and which words of that are secret."""

import base64
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit, urlunsplit

from pebench_tasks.errors import BenchmarkError

OPENAI = "https://api.openai.com/v1"
PUBLIC = "api-version"  # the one query parameter that is no secret; Azure's gateways ask for it


@dataclass(frozen=True)
class Address:
    """What ``OPENAI_BASE_URL`` and ``OPENAI_API_KEY`` say, taken apart; printing it shows no secret."""

    url: str  # without query, name and password
    host: str
    query: dict[str, str] = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    key: str = field(repr=False)
    secrets: list[str] = field(repr=False)

    def clean(self, text: str) -> str:
        """A text without any of the secrets, which a server may echo."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def read_address(environ: Mapping[str, str]) -> Address:
    """The address and key in the environment; ``BenchmarkError`` for a missing key or what is no address."""
    key = environ.get("OPENAI_API_KEY", "").strip()
    if not key:
        raise BenchmarkError("The judge needs a key:  export OPENAI_API_KEY=...  (a local server takes any word).")
    if not key.isascii() or not key.isprintable():
        raise BenchmarkError("OPENAI_API_KEY holds characters that no key has. Copy it again.")
    parts = _parts(environ.get("OPENAI_BASE_URL", "").strip() or OPENAI)
    host = parts.netloc.rpartition("@")[2]
    path = parts.path.rstrip("/").removesuffix("/chat/completions")
    query = dict(parse_qsl(parts.query))
    headers = {"api-key": key} if PUBLIC in query else {}  # where Azure's gateways read it
    login = unquote(parts.netloc.rpartition("@")[0])
    if login:
        headers["Authorization"] = "Basic " + base64.b64encode(login.encode()).decode()
    long = [part for part in path.split("/") if len(part) >= 12]  # a gateway may take its key there
    words = [*long, key, login, *login.split(":", 1), *(value for name, value in query.items() if name != PUBLIC)]
    return Address(urlunsplit((parts.scheme, host, path, "", "")), host, query, headers, key, secrets=_spellings(words))


def _parts(base_url: str) -> SplitResult:
    try:
        parts = urlsplit(base_url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        usable = usable and base_url.isprintable() and " " not in base_url
    except ValueError:
        usable = False
    if not usable:
        raise BenchmarkError("OPENAI_BASE_URL is no http(s) address. It looks like http://localhost:8000/v1.")
    return parts


def _spellings(secrets: list[str]) -> list[str]:
    """Every way in which a server may echo the secrets; the longest first."""
    found = {
        spelling
        for secret in secrets
        for spelling in (secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode(), json.dumps(secret))
        if len(secret) > 2
    }
    return sorted(found, key=len, reverse=True)


class WithoutQuery(logging.Filter):
    """For the HTTP library's logger, which writes every address that it asks; a gateway's query may hold its key."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Cut the query off every address in the record, and let it pass."""
        if isinstance(record.args, tuple):
            record.args = tuple(re.sub(r"\?.*", "", str(x)) if hasattr(x, "query") else x for x in record.args)
        return True


WITHOUT_QUERY = WithoutQuery()
