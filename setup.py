"""What pyproject.toml cannot say: the page of web/app goes into the package."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class WithPage(build_py):
    """Modules, and the files that `codec.cli.view` serves."""

    def run(self) -> None:
        """Build; a checkout that is installed in place serves them from web/."""
        super().run()
        if not self.editable_mode:
            web, to = Path("web"), Path(self.build_lib, "codec", "cli", "page")
            shutil.copytree(web / "app", to / "app", dirs_exist_ok=True)
            for name in "container.js", "errors.js":
                shutil.copy(web / name, to)


setup(cmdclass={"build_py": WithPage})
