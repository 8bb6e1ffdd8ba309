"""AMIs of some regions: a region that nobody has is an error and not an empty table."""

from __future__ import annotations

import pytest

from bom.amis import amis_of, check_regions
from bom.errors import InputFault
from bom.parse import read_bom
from tests.bom.documents import OWN, REAL, TKG, needs_real, parse

OWN_TKR = OWN / "tkr-bom-v1.30.1+example.1-tkg.1.yaml"


@needs_real
def test_the_amis_of_us_gov_west_1() -> None:
    bom = read_bom(REAL / "bom" / "tkr-bom-v1.23.8+vmware.2-tkg.1.yaml")
    ((region, amis),) = amis_of(bom, check_regions([bom], ["us-gov-west-1"]))
    assert region == "us-gov-west-1"
    assert [(ami.id, ami.os) for ami in amis] == [
        ("ami-07a66224a83340a05", "amazon"),
        ("ami-0f930554c0c4e9766", "ubuntu"),
    ]
    assert len([*amis_of(bom, ())]) == 15


def test_a_region_that_no_file_has_is_refused_with_those_that_there_are() -> None:
    bom = read_bom(OWN_TKR)
    with pytest.raises(InputFault) as caught:
        check_regions([parse(TKG), bom], ["us-example-2", "us-gov-west-9"])
    assert caught.value.fact == "'us-gov-west-9'; there are eu-example-1, us-example-2"


def test_without_any_amis_it_says_which_file_would_have_them() -> None:
    with pytest.raises(InputFault) as caught:
        check_regions([parse(TKG)], ["us-example-2"])
    assert "no AMIs" in caught.value.fact
    assert "TKr BOM" in caught.value.hint
