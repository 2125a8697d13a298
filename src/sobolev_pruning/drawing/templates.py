"""Pages from templates: a room has its templates beside its code, and the parts and the style are common."""

from importlib import resources

_COMMON = "parts.html.j2"


def render(room: str, page: str = "page.html.j2", **content) -> str:
    """What the template `page` of `room`, a package, makes of `content`, with the common style; texts are escaped."""
    import jinja2

    def read(name: str) -> str:
        return read_beside(__package__ if name == _COMMON else room, name)

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(read),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(page).render(style=read_beside(__package__, "page.css"), **content)


def read_beside(package: str, name: str) -> str:
    """The text of the file `name` that lies beside the code of `package`."""
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")
