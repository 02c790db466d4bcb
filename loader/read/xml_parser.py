"""The parser of the XML in a workbook."""

import zipfile
from xml.parsers import expat


def xml_parser() -> expat.XMLParserType:
    """Return a parser that refuses a document type with `zipfile.BadZipFile`, as no office program writes one.

    Entities can be defined there only, and a few of them that name one another stand for gigabytes of text.
    """
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse
    return parser


def _refuse(name: str, system_id: str | None, public_id: str | None, has_internal_subset: bool) -> None:
    del system_id, public_id, has_internal_subset
    raise zipfile.BadZipFile(f"its XML defines a document type, {name[:20]}, which no spreadsheet program writes")
