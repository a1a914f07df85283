"""Pages as one HTML file that loads nothing: templates, embedded data, and the scripts they may run."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from genre_spark.errors import OutputError
from genre_spark.platform import safe_text
from genre_spark.platform.safe_text import redact
from genre_spark.platform.storage import Storage
from genre_spark.reporting import text
from genre_spark.reporting.document import sort_key

_HEAD = 2000


def render(command: str, scripts: Sequence[str], data: Mapping[str, Any], **content: Any) -> str:
    """The page of a command, from ``templates/<command>.html``; only the given JavaScript can run on it.

    `data` is for the scripts, as JSON; `content` for the template, which escapes texts.
    """
    environment = Environment(
        loader=PackageLoader("genre_spark.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(sort_key=sort_key)
    environment.filters.update(count=text.count, percent=text.percent, one_line=text.one_line)
    # Within a script's text, this would end it.
    inlined = [script.replace("</script", "<\\/script") for script in scripts]
    digests = (base64.b64encode(hashlib.sha256(one.encode()).digest()) for one in inlined)
    hashes = " ".join(f"'sha256-{digest.decode()}'" for digest in digests)
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {hashes}"
    return environment.get_template(f"{command}.html").render(
        command=command,
        mark=Markup(mark(command)),
        policy=Markup(policy),
        scripts=list(map(Markup, inlined)),
        data=htmlsafe_json_dumps(data, ensure_ascii=False, separators=(",", ":"), default=str),
        **content,
    )


def asset(name: str) -> str:
    """The text of a file in ``templates``."""
    return resources.files("genre_spark.reporting").joinpath("templates", name).read_text("utf-8")


def mark(command: str) -> str:
    """The element at the beginning of a page by which a later run may replace it."""
    return f'<meta name="generator" content="genre-spark {command}">'


def check(storage: Storage, output: str, command: str) -> None:
    """Refuses to replace anything but an earlier page of the same command. Raises `OutputError`."""
    taken = storage.exists(output)
    if taken and (storage.is_dir(output) or mark(command) not in storage.beginning(output, _HEAD)):
        raise OutputError(
            f"--output {output}: exists and is not a page of genre-spark {command}; it was not changed."
            " Choose another name, or delete it"
        )


def _visible(value: Any) -> Any:
    """Escapes text from tables and paths for templates; markup stays as it is."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return safe_text.plain(redact(value))
    return value
