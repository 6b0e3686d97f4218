"""Installs the homeserver: `pip install .`, or `pip install -e ".[dev]"` to work on it."""

import importlib.metadata
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

from setuptools import Command, find_packages, setup

ROOT = Path(__file__).resolve().parent
DEPENDENCIES = runpy.run_path(str(ROOT / "synapse" / "python_dependencies.py"))

COMMANDS = {
    "synapse_homeserver": "synapse.app.homeserver",
    "synctl": "synapse._scripts.synctl",
    "register_new_matrix_user": "synapse._scripts.register_new_matrix_user",
    "hash_password": "synapse._scripts.hash_password",
    "generate_config": "synapse._scripts.generate_config",
    "generate_log_config": "synapse._scripts.generate_log_config",
    "generate_signing_key": "synapse._scripts.generate_signing_key",
    "export_signing_key": "synapse._scripts.export_signing_key",
    "synapse_federation_check": "synapse._scripts.federation_check",
}


class ProjectCommand(Command):
    """A command of `setup.py` that runs a program in the checkout and ends as that ends."""

    user_options: ClassVar[list[tuple[str, str | None, str]]] = []

    def initialize_options(self) -> None: ...

    def finalize_options(self) -> None: ...

    def run_python(self, *arguments: str) -> None:
        status = subprocess.call([sys.executable, *arguments], cwd=ROOT)
        if status != 0:
            raise SystemExit(status)


class Test(ProjectCommand):
    """`python setup.py test`: setuptools had such a command once; this one runs trial."""

    description = "run all tests with trial, after installing what only they need"

    def run(self) -> None:
        missing = [need for need in DEPENDENCIES["EXTRAS"]["dev"] if not is_installed(need)]
        if missing and sys.prefix == sys.base_prefix:
            sys.exit("The tests need more packages; in a virtual environment, this installs them.")
        if missing:
            self.run_python("-m", "pip", "install", "-q", "-c", "constraints.txt", *missing)
        trial = ("-m", "twisted.trial", f"--jobs={os.cpu_count() or 1}", "tests")
        if has_postgres():
            self.run_python("-m", "tests.postgres", "--", sys.executable, *trial)
            return
        print("PostgreSQL is not installed, so the tests run on SQLite alone.")
        self.run_python(*trial)


class BuildSphinx(ProjectCommand):
    """`python setup.py build_sphinx`: Sphinx had such a command once."""

    description = "build the documentation of the internal API into build/sphinx/html"

    def run(self) -> None:
        self.run_python(
            *("-m", "sphinx.ext.apidoc", "-q", "-f", "-F", "-e", "-o", "build/sphinx"),
            *("--extensions", "sphinx.ext.napoleon", "-H", "synapse", "-A", "", "synapse"),
        )
        self.run_python("-m", "sphinx", "-q", "-b", "html", "build/sphinx", "build/sphinx/html")
        print("The pages are in build/sphinx/html.")


def has_postgres() -> bool:
    """Whether the tests can start a PostgreSQL of their own."""
    places = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return shutil.which("initdb") is not None or any(places)


def is_installed(requirement: str) -> bool:
    name = requirement.partition(">")[0]
    try:
        return bool(importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return False


setup(
    name="matrix-synapse",
    version=runpy.run_path(str(ROOT / "synapse" / "__init__.py"))["__version__"],
    description="A Matrix homeserver",
    long_description=(ROOT / "README.rst").read_text(encoding="utf-8"),
    long_description_content_type="text/x-rst",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["synapse", "synapse.*"]),
    # What MANIFEST.in names below synapse/, such as the schema, is installed with the code.
    include_package_data=True,
    install_requires=DEPENDENCIES["REQUIREMENTS"],
    extras_require=DEPENDENCIES["EXTRAS"],
    entry_points={
        "console_scripts": [f"{name} = {module}:main" for name, module in COMMANDS.items()],
    },
    cmdclass={"test": Test, "build_sphinx": BuildSphinx},
)
