"""Pages from templates: a room has a `page.html.j2` beside its code, and the parts and the style are common."""

from importlib import resources

PAGE = "page.html.j2"


def render(room: str, **content) -> str:
    """The page that the template of `room`, a package, makes of `content`, with the common style; texts are escaped."""
    import jinja2

    def read(name: str) -> str:
        return _read(room if name == PAGE else __package__, name)

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(read),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(PAGE).render(style=_read(__package__, "page.css"), **content)


def _read(package: str, name: str) -> str:
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")
