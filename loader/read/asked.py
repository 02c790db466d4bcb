"""What a row asks for: its own cells first, then what the header says, then the options."""

import re
from operator import itemgetter

from loader.model import Asked
from loader.read.columns import Column, Columns
from loader.read.lists import split
from loader.read.show import trim
from loader.settings import InputSettings

_OWN = ("object_type", "to_object_type", "association_category", "association_type_id", "label")
# A file has few distinct wishes; a label column that is different on every row must still not fill the memory.
_REMEMBERED = 10_000
# Characters of a cell: more than any list of labels between two object types has. A longer one names nothing.
_LONGEST = 10_000
_KEPT = 200
_CUT = "… (cut: a cell of so many characters names nothing)"
# In our own failures files an apostrophe stands before what a spreadsheet would run as a formula: the label '-VIP.
_DEFUSED = re.compile(r"'(?=[\s\"]*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20])")


class AskedOf:
    """Answers for one to column what its rows ask for; remembers the answers, since rows mostly say the same."""

    def __init__(self, columns: Columns, to: Column, settings: InputSettings) -> None:
        self._columns = columns
        self._to = to
        self._settings = settings
        self._indexes = [columns.own[field].position for field in _OWN if field in columns.own]
        self._memory: dict[tuple[str, ...], tuple[Asked, ...]] = {}
        self._uneven = False

    def of(self, cells: list[str]) -> tuple[Asked, ...]:
        """Return what one record asks for, once for each label that it names; a missing object type stays blank."""
        key = tuple([cells[index] for index in self._indexes])
        return self._memory.get(key) or self._settled(key)

    def column(self, records: list[list[str]]) -> list[Asked] | None:
        """Return the one thing that each record asks for, or None if they must be looked at one by one.

        That is so once the file was seen to leave an object type out, or to name several labels in a cell.
        """
        if not self._indexes:
            asked = [self.of([])] * len(records)
        else:
            memory, settled = self._memory, self._settled
            keys = zip(*(map(itemgetter(index), records) for index in self._indexes), strict=True)
            asked = [memory.get(key) or settled(key) for key in keys]
        return None if self._uneven else [first for first, *_ in asked]

    def _settled(self, key: tuple[str, ...]) -> tuple[Asked, ...]:
        if len(self._memory) >= _REMEMBERED:
            self._memory.clear()
        own = dict(zip([field for field in _OWN if field in self._columns.own], map(_said, key), strict=True))
        label = own.get("label", "")
        labels = [label] if label.endswith(_CUT) else split(label)
        asked = tuple(self._asked({**own, "label": label}) for label in labels)
        if sum(map(len, key)) <= _LONGEST:
            self._memory[key] = asked
        whole = asked[0].object_type and asked[0].to_object_type
        self._uneven = self._uneven or len(asked) > 1 or not whole
        return asked

    def _asked(self, own: dict[str, str]) -> Asked:
        options, says = self._settings, self._to.meaning
        label, type_id = own.get("label", ""), own.get("association_type_id", "")
        category = own.get("association_category") or _text(options.association_category)
        if not (label or type_id):
            if says.type_id:
                type_id, category = says.type_id, "HUBSPOT_DEFINED"
            elif says.label or says.primary:
                label = says.label
            else:
                label, type_id = _text(options.label), _text(options.association_type_id)
        stated = self._columns.object_id.meaning.object_type
        return Asked(
            object_type=own.get("object_type") or _text(options.object_type) or stated,
            to_object_type=own.get("to_object_type") or _text(options.to_object_type) or says.object_type,
            association_category=category,
            association_type_id=type_id,
            label=label,
            primary=says.primary,
            to_column=self._to.header,
        )


def _said(cell: str) -> str:
    bare = trim(cell)
    if len(bare) > _LONGEST:
        return bare[:_KEPT] + _CUT
    return trim(bare[1:]) if _DEFUSED.match(bare) else bare


def _text(option: str | None) -> str:
    return trim(option) if option else ""
