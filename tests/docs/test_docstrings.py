"""The examples in the docstrings of packages without input or output are true."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import eng5_runner.canonical
import eng5_runner.contracts
import eng5_runner.core
import eng5_runner.errors
import eng5_runner.measure

PACKAGES = (eng5_runner.contracts, eng5_runner.core, eng5_runner.measure)
MODULES = [
    eng5_runner.canonical.__name__,
    eng5_runner.errors.__name__,
    *(
        module
        for package in PACKAGES
        for module in (
            package.__name__,
            *(m.name for m in pkgutil.walk_packages(package.__path__, prefix=f"{package.__name__}.")),
        )
    ),
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_are_true(name: str) -> None:
    module = importlib.import_module(name)
    results = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert results.failed == 0


@pytest.mark.parametrize("name", [module for module in MODULES if hasattr(importlib.import_module(module), "__path__")])
def test_a_package_has_an_example(name: str) -> None:
    module = importlib.import_module(name)
    assert doctest.DocTestFinder(recurse=False).find(module)[0].examples
