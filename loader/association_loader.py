"""The entry point of the command. It is installed beside the package as `association_loader`, a unique name.

A user's own script may be called `loader.py`: on Python's path, it would be imported instead of the package. So the
package is recognised by its content.
"""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

_OURS = Path("planning", "association_types.csv")


def main() -> None:
    """Run the command `association-loader`."""
    places = (each / "loader" for each in (Path(__file__).parent, *map(Path, sys.path)))
    home = next((each for each in places if (each / _OURS).is_file()), None)
    if home is None:
        sys.stderr.write("association-loader: its own package is not where it was installed: install it again\n")
        sys.exit(2)
    try:
        _take_for_loader(home)
    except ImportError as error:  # The package does not run on this system, and says why.
        sys.stderr.write(f"association-loader: {error}\n")
        sys.exit(2)
    from loader.cli import main as command  # noqa: PLC0415 - once it is certain which `loader` that is

    command()


def _take_for_loader(home: Path) -> None:
    """Make `import loader` find the package in a folder, even if another module has that name."""
    spec = spec_from_file_location("loader", home / "__init__.py", submodule_search_locations=[str(home)])
    if spec is not None and spec.loader is not None:
        package = module_from_spec(spec)
        sys.modules["loader"] = package
        spec.loader.exec_module(package)
