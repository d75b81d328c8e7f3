"""Everything but the packages stands in setup.cfg, which cannot both look for packages and name one."""

from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["pebench_tasks*", "unlearn*"]), "pebench_templates"])
