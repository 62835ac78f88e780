"""The types of resource that FHIR has, against the models of two of its versions."""

import re
from importlib.resources import files

import pytest

from cds_service.fhir.resource_types import RESOURCE_TYPES

_CLASS = re.compile(r"^class (\w+)\((?:domainresource\.DomainResource|resource\.Resource)\)", re.MULTILINE)
# Those that no resource has as its type, and those that only hold others or tell of a call.
_NO_RECORD = {"DomainResource", "CanonicalResource", "MetadataResource", "Bundle", "OperationOutcome", "Parameters"}


@pytest.mark.parametrize("version", ["", "R4B"], ids=["R5", "R4B"])
def test_every_type_of_a_version_is_known(version):
    models = [file for file in (files("fhir.resources") / version).iterdir() if file.name.endswith(".py")]
    named = {found[1] for file in models if (found := _CLASS.search(file.read_text(encoding="utf-8")))}
    assert len(named) > 100
    assert named - RESOURCE_TYPES - _NO_RECORD == set()
    assert not RESOURCE_TYPES & _NO_RECORD


@pytest.mark.parametrize("name", ["MedicationOrder", "observation", "Observations", "DomainResource"])
def test_what_is_none_is_not_known(name):
    assert name not in RESOURCE_TYPES
