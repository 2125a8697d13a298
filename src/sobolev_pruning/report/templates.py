"""The templates of the report's pages and their style, which lie beside the code."""

from importlib import resources


def render(template: str, **content) -> str:
    """The page that `template` makes of `content`, with the common style; all texts are escaped."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_read),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(style=_read("page.css"), **content)


def _read(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
