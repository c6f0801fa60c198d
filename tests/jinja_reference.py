"""jinja2 as transformers sets it up for chat templates, with a clock that stands still."""
import datetime
import json

import transformers.utils.chat_template_utils as utils

DAY = "2026-07-26"


class Day(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromisoformat(DAY)


utils.datetime = Day


def compile(source):
    """The template, or the exception that compiling it raises."""
    return utils._cached_compile_jinja_template(source)


def render(source, context):
    """("text", what it renders) or ("error", the exception's words)."""
    try:
        return "text", compile(source).render(**json.loads(json.dumps(context)))
    except RecursionError:
        raise
    except Exception as error:  # anything a template does wrong
        return "error", f"{type(error).__name__}: {error}"
