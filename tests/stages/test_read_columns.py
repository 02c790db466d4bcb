"""Columns are found by their names, never guessed; a row's own words win over the options."""

from pathlib import Path
from typing import Any

import pytest

from loader.errors import LoaderError, UsageError
from loader.model import Reject, RowKind
from loader.read import Input
from loader.read.headers import meaning
from tests.rows import Link, links_of
from tests.stages.read_files import written

BLANK = RowKind("contacts", "companies", "", "", "", False, "to_object_id")


def links(source: Input) -> list[Link]:
    return links_of(source.chunks())


def rejects(source: Input) -> list[Reject]:
    return [reject for chunk in source.chunks() for reject in chunk.rejects]


def row_kind(tmp_path: Path, header: str, cells: str, **options: Any) -> RowKind:
    (link,) = links(written(tmp_path, f"object_id,to_object_id,{header}\n1,2,{cells}\n", **options))
    return link.row_kind


@pytest.mark.parametrize(
    ("header", "to_header"),
    [
        ("object_id", "to_object_id"),
        ("objectId", "toObjectId"),
        ("OBJECT ID", "TO ID"),
        ("from-object-id", "to-object-id"),
        ("from_id", "to_id"),
        ("Record ID", "Associated Company IDs"),
        ("hs_object_id", "to_object_id"),
        ("\u00a0Record\u00a0ID\u200b", "to_object_id"),
    ],
)
def test_the_names_are_folded(tmp_path: Path, header: str, to_header: str) -> None:
    """Case, blanks, underscores and hyphens do not matter."""
    (link,) = links(written(tmp_path, f"{header},{to_header}\n1,2\n"))
    assert (link.object_id, link.to_object_id) == ("1", "2")


@pytest.mark.parametrize(
    ("header", "object_type"),
    [
        ("Associated Company IDs", "company"),
        ("Associated Company ID", "company"),
        ("associated_line_item_ids", "line_item"),
        ("associatedCompanyIds", "company"),
        ("associatedCompanyId", "company"),
        ("associatedcompanyids", "company"),
        ("Associated Company", ""),
        ("Associated Android", ""),
        ("associatedpaid", ""),
    ],
)
def test_hubspots_headers_are_known_in_every_spelling(header: str, object_type: str) -> None:
    """`IDs` or `ID`, but never the end of another word."""
    assert meaning(header).object_type == object_type


def test_all_fields_are_read_from_their_columns(tmp_path: Path) -> None:
    """The API's names, in camel case, in any order."""
    text = (
        "label,associationTypeId,associationCategory,toObjectId,toObjectType,objectId,objectType\n"
        " Boss ,279,USER_DEFINED,2,deals,1,tickets\n"
    )
    source = written(tmp_path, text)
    assert links(source)[0].row_kind == RowKind("tickets", "deals", "USER_DEFINED", "279", "Boss", False, "toObjectId")
    assert list(source.understood.columns) == [
        "object_type", "object_id", "to_object_type", "to_object_id", "association_category", "association_type_id",
        "label",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("header", "cells", "options", "expected"),
    [
        ("label", "", {}, BLANK),
        ("label", "", {"label": "Boss"}, BLANK._replace(label="Boss")),
        ("label", "Chief", {"label": "Boss"}, BLANK._replace(label="Chief")),
        ("label", "Chief", {"association_type_id": "279"}, BLANK._replace(label="Chief")),
        ("label", " \u00a0", {"association_type_id": "279"}, BLANK._replace(association_type_id="279")),
        ("association_type_id", "1", {"label": "Boss"}, BLANK._replace(association_type_id="1")),
        ("label,association_type_id", "Chief,1", {}, BLANK._replace(label="Chief", association_type_id="1")),
        ("association_category", "", {"association_category": "C"}, BLANK._replace(association_category="C")),
        ("association_category", "D", {"association_category": "C"}, BLANK._replace(association_category="D")),
        ("object_type,to_object_type", "deals,", {}, BLANK._replace(object_type="deals")),
        ("x", "", {"label": "Boss", "association_type_id": "1"}, BLANK._replace(label="Boss", association_type_id="1")),
    ],
)  # fmt: skip
def test_a_rows_own_words_win(tmp_path: Path, header: str, cells: str, options: Any, expected: RowKind) -> None:
    """A cell wins over its option; a row's own label or type id overrides both options."""
    assert row_kind(tmp_path, header, cells, **options) == expected


def test_a_blank_object_type_without_an_option_rejects_the_row(tmp_path: Path) -> None:
    """Only the row is in doubt, not the file; the next row is read."""
    text = (
        "object_type,object_id,to_object_type,to_object_id\n,1,companies,2\ncontacts,1,,2;3\ncontacts,1,companies,2\n"
    )
    source = written(tmp_path, text, object_type=None, to_object_type=None)
    assert [(no.row, no.part, no.reason) for no in rejects(source)] == [
        (2, 0, "MISSING_OBJECT_TYPE"),
        (3, 0, "MISSING_TO_OBJECT_TYPE"),
        (3, 1, "MISSING_TO_OBJECT_TYPE"),
    ]
    assert [link.row for link in links(source)] == [4]


@pytest.mark.parametrize(("gone", "flag"), [("object_type", "--from contacts"), ("to_object_type", "--to companies")])
def test_without_any_object_type_the_way_on_is_said(tmp_path: Path, gone: str, flag: str) -> None:
    """The sentence names the columns that are there and both ways on."""
    with pytest.raises(UsageError) as caught:
        written(tmp_path, "object_id,to_object_id\n1,2\n", **{gone: None})
    assert flag in str(caught.value)
    assert f"--column {gone}=" in str(caught.value)
    assert '"object_id", "to_object_id"' in str(caught.value)


def test_the_column_option_decides_between_two(tmp_path: Path) -> None:
    """The other column is then a column like any other."""
    source = written(tmp_path, "object_id,Record ID,to_id\n1,2,3\n", columns={"object_id": "record id"})
    assert [(link.object_id, link.to_object_id) for link in links(source)] == [("2", "3")]


def test_the_column_option_takes_any_header(tmp_path: Path) -> None:
    """A header of one's own is a column, also one that would mean another field."""
    text = "Contact Key,Record ID,Boss?\n1,2,x\n"
    columns = {"object_id": "Contact Key", "to_object_id": "Record ID", "label": "boss?"}
    (link,) = links(written(tmp_path, text, columns=columns))
    assert (link.object_id, link.to_object_id, link.row_kind.label) == ("1", "2", "x")


@pytest.mark.parametrize(
    "columns",
    [
        {"nonsense": "object_id"},
        {"label": "nowhere"},
        {"object_id": "object_id", "label": "object_id"},
        {"object_id": "nowhere"},
    ],
)
def test_a_mapping_that_cannot_be_is_refused(tmp_path: Path, columns: dict[str, str]) -> None:
    """An unknown field, a header that is not there, one header for two fields."""
    with pytest.raises(LoaderError, match=r"no such field|nowhere|both"):
        written(tmp_path, "object_id,to_object_id\n1,2\n", columns=columns)


def test_one_row_for_each_id_of_a_list(tmp_path: Path) -> None:
    """A bad part rejects that part alone; blank parts are no parts; the row number is the record's."""
    source = written(tmp_path, "object_id,to_object_id\n1,2;x;3\n1,;4;\n5;6,7;8\n9,;\n")
    assert [(link.row, link.part, link.to_object_id) for link in links(source)] == [
        (2, 0, "2"),
        (2, 2, "3"),
        (3, 0, "4"),
    ]
    assert [(no.row, no.part, no.object_id, no.to_object_id, no.reason) for no in rejects(source)] == [
        (2, 1, "1", "x", "INVALID_RECORD_ID"),
        (4, 0, "5;6", "7", "SEVERAL_IDS"),
        (4, 1, "5;6", "8", "SEVERAL_IDS"),
        (5, 0, "9", "", "MISSING_RECORD_ID"),
    ]


def test_a_reject_names_column_value_and_mend(tmp_path: Path) -> None:
    """Control characters are escaped, long values cut."""
    source = written(tmp_path, f"object_id,to_object_id\n\x1b[2J{'a' * 500},2\n1,\n")
    long, blank = rejects(source)
    assert (
        long.message == f'Row 2, column "object_id": "\\x1b[2J{"a" * 36}…" is not a record id; it must be digits only.'
    )
    assert blank.message == 'Row 3, column "to_object_id": the cell is blank; fill in the record id, or delete the row.'
    assert len(long.object_id) < 210


def test_a_hubspot_export_is_read_as_it_is(tmp_path: Path) -> None:
    """Plain, primary and labelled columns of one type; a blank cell asks for nothing and is counted."""
    text = (
        "Record ID - Contact,Name,Associated Company IDs,Associated Company IDs (Primary),"
        "Associated Company IDs (Boss of)\n1,Ada,11;12,11,\n2,Bob,,,\n3,Cy,x,,13\n"
    )
    source = written(tmp_path, text, object_type=None, to_object_type=None, association_type_id="279")
    plain = RowKind("contact", "company", "", "279", "", False, "Associated Company IDs")
    primary = RowKind("contact", "company", "", "", "", True, "Associated Company IDs (Primary)")
    boss = RowKind("contact", "company", "", "", "Boss of", False, "Associated Company IDs (Boss of)")
    assert links(source) == [
        Link(2, 0, "1", "11", plain), Link(2, 1, "1", "12", plain), Link(2, 2, "1", "11", primary),
        Link(4, 1, "3", "13", boss),
    ]  # fmt: skip
    assert [(no.row, no.part, no.reason) for no in rejects(source)] == [(4, 0, "INVALID_RECORD_ID")]
    assert sum(chunk.without for chunk in source.chunks()) == 5
    assert source.to_columns == source.header[2:]


def test_several_types_are_all_read_unless_the_option_narrows(tmp_path: Path) -> None:
    """Each column has the type in its header; `--to` takes its own, by name or by id."""
    text = "Record ID,Associated Company IDs,Associated Deal IDs,Associated Line item IDs\n1,2,3,4\n"
    both = links(written(tmp_path, text, to_object_type=None))
    assert [(link.to_object_id, link.row_kind.to_object_type) for link in both] == [
        ("2", "company"),
        ("3", "deal"),
        ("4", "line item"),
    ]
    for option in ("deals", "0-3", "DEAL"):
        (link,) = links(written(tmp_path, text, to_object_type=option))
        assert (link.to_object_id, link.row_kind.to_object_type) == ("3", option)
    with pytest.raises(UsageError, match="--column to_object_id"):
        written(tmp_path, text, to_object_type="tickets")
    (link,) = links(written(tmp_path, text, columns={"to_object_id": "Associated Deal IDs"}, to_object_type=None))
    assert (link.to_object_id, link.row_kind.to_object_type) == ("3", "deal")


def test_an_option_that_contradicts_the_header_is_refused(tmp_path: Path) -> None:
    """Company ids are not sent as contacts; `--column` confirms what is meant, and a custom type may have any name."""
    with pytest.raises(UsageError, match="another object type"):
        written(tmp_path, "Record ID,Associated Company IDs\n1,2\n", to_object_type="contacts")
    with pytest.raises(UsageError, match="another object type"):
        written(tmp_path, "Record ID - Company,to_id\n1,2\n")
    columns = {"to_object_id": "Associated Company IDs"}
    assert links(
        written(tmp_path, "Record ID,Associated Company IDs\n1,2\n", to_object_type="contacts", columns=columns)
    )
    assert links(written(tmp_path, "Record ID,Associated Car IDs\n1,2\n", to_object_type="2-123"))


def test_commas_separate_only_long_ids_of_hubspots_columns(tmp_path: Path) -> None:
    """`1,234` has two readings; `10123,10456` in HubSpot's own column has one."""
    text = 'Record ID,Associated Company IDs\n1,"10123, 10456"\n1,"1,234"\n1,"101 102"\n'
    source = written(tmp_path, text)
    assert [link.to_object_id for link in links(source)] == ["10123", "10456"]
    assert [(no.row, no.reason) for no in rejects(source)] == [(3, "SEPARATOR"), (4, "SEPARATOR")]
    other = written(tmp_path, 'Record ID,to_id\n1,"10123, 10456"\n')
    assert [no.reason for no in rejects(other)] == ["SEPARATOR"]


def test_id_properties_are_taken_as_they_are(tmp_path: Path) -> None:
    """An email address or a domain stands for the record; a list is still split, a blank still rejected."""
    text = "object_id,to_object_id\n ada@example.com ,b.example; c.example\n,b.example\n1;2,x\n"
    source = written(tmp_path, text, from_id_property="email", to_id_property="domain")
    assert [(link.row, link.part, link.object_id, link.to_object_id) for link in links(source)] == [
        (2, 0, "ada@example.com", "b.example"),
        (2, 1, "ada@example.com", "c.example"),
        (4, 0, "1;2", "x"),
    ]
    assert [(no.row, no.reason) for no in rejects(source)] == [(3, "MISSING_RECORD_ID")]


def test_more_labels_than_are_remembered_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each row keeps its own."""
    monkeypatch.setattr("loader.read.row_kinds._REMEMBERED", 3)
    labels = [f"label {n}" for n in (1, 2, 3, 4, 5, 1, 2, 6)]
    text = "object_id,to_object_id,label\n" + "".join(f"1,2,{label}\n" for label in labels)
    assert [link.row_kind.label for link in links(written(tmp_path, text))] == labels
