"""Prints the lowest versions that pyproject.toml allows, a requirement a line: what `make test-versions` installs."""

import re
import tomllib
from pathlib import Path


def lowest(project: dict) -> list[str]:
    """What the package needs, with its extras and the runtime of exported networks, at the lower bounds; other tools of
    the tests as they come."""
    extras = dict(project["optional-dependencies"])
    tools = extras.pop("test")
    needed = [*project["dependencies"], *(each for group in extras.values() for each in group)]
    needed += [tool for tool in tools if tool.startswith("onnxruntime")]
    pinned = dict(re.match(r"([\w-]+)>=([\w.]+)", requirement).groups() for requirement in needed)
    # smt holds data for a benchmark alone, and its needs go beyond these lower bounds.
    others = [tool for tool in tools if re.match(r"[\w-]+", tool).group() not in {*pinned, "smt"}]
    return [f"{name}=={version}" for name, version in pinned.items()] + others


if __name__ == "__main__":
    text = (Path(__file__).parent.parent / "pyproject.toml").read_text()
    print("\n".join(lowest(tomllib.loads(text)["project"])))
