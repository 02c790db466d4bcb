"""Why a row is never sent: reasons of ours, each found before a request is made."""

from loader.reasons.answers import Reason

ROWS: dict[str, Reason] = {
    "INVALID_RECORD_ID": Reason(
        "The cell does not contain a HubSpot record id.",
        "Put the record id (digits only) into the cell, or choose the right column with --column.",
        False,
    ),
    "MISSING_RECORD_ID": Reason(
        "The id cell is blank.",
        "Fill in the record id, or delete the row.",
        False,
    ),
    "SCIENTIFIC_NOTATION": Reason(
        "The id is in scientific notation, so digits are lost.",
        "Format the column as text in the source, and export it again.",
        False,
    ),
    "DIGITS_LOST": Reason(
        "The id was stored as a number that cannot hold all its digits.",
        "Format the column as text in the source, and export it again.",
        False,
    ),
    "FRACTION": Reason(
        "The id has a fraction, or a point as thousands separator.",
        "Write the record id in digits only.",
        False,
    ),
    "SEPARATOR": Reason(
        "The id cell may be one number with separators, or several ids.",
        "Write ids in digits only, several separated by a semicolon.",
        False,
    ),
    "SEVERAL_IDS": Reason(
        "The object id cell holds several ids.",
        "Write one row for each; only the to object id may be a list.",
        False,
    ),
    "LEADING_ZERO": Reason(
        "The id begins with a zero, which no HubSpot record id does.",
        "It may be another system's key: put the record id there, or use --from-id-property or --to-id-property.",
        False,
    ),
    "ID_TOO_LARGE": Reason(
        "The id is larger than any record id can be (2^63 - 1).",
        "Check which column it came from, and put the record id there.",
        False,
    ),
    "DATE": Reason(
        "The cell contains a date or a time, not an id.",
        "Format the column as text in the source, and export it again.",
        False,
    ),
    "BOOLEAN": Reason(
        "The cell contains true or false, not an id.",
        "Put the record id there, or choose the right column with --column.",
        False,
    ),
    "ERROR_CELL": Reason(
        "The cell contains a spreadsheet error, such as #N/A.",
        "Fix the formula, or paste the values.",
        False,
    ),
    "FORMULA_WITHOUT_VALUE": Reason(
        "The cell's formula was never calculated.",
        "Open the file in a spreadsheet and save it, or paste the values.",
        False,
    ),
    "MERGED_CELL": Reason(
        "The cell is merged with another one, which has the content.",
        "Unmerge the cells, and fill in each.",
        False,
    ),
    "UNREADABLE_CHARACTERS": Reason(
        "The cell contains characters that could not be read.",
        "Correct the cell, or give the file's encoding with --encoding.",
        False,
    ),
    "NUL_CHARACTER": Reason(
        "The row contains a NUL character and may be damaged.",
        "Write the row again.",
        False,
    ),
    "FIELD_COUNT": Reason(
        "The row has more or fewer cells than the header, so its cells may have shifted.",
        "Correct its delimiters, or put quotes around the text that contains one.",
        False,
    ),
    "MALFORMED_QUOTES": Reason(
        "The row has text after a closing quote.",
        "Double the quotes that belong to the text, or export the file again.",
        False,
    ),
    "MALFORMED_JSON": Reason(
        "The line is not one JSON object with each key once.",
        "Correct the line.",
        False,
    ),
    "REPEATED_HEADER": Reason(
        "The row repeats the header.",
        "Delete the row.",
        False,
    ),
    "WRONG_RECORD_ADDRESS": Reason(
        "The record's address is in another HubSpot account than the load goes to, or is that of another object type.",
        "Give the record of the right account and object type, or change --from, --to or the token.",
        False,
    ),
    "TOTAL_ROW": Reason(
        "The row looks like a total: it says so, and its numbers are far shorter than the other rows' ids.",
        "Delete the row.",
        False,
    ),
    "PLACEHOLDER": Reason(
        "The cell contains a word such as NULL or n/a in place of a value.",
        "Fill in the value, or delete the row.",
        False,
    ),
    "RECORD_NOT_FOUND": Reason(
        "HubSpot has no record with this value of the id property.",
        "Correct the cell, or create the record in HubSpot first; then load the failures file.",
        True,
    ),
    "AMBIGUOUS_RECORD": Reason(
        "Several records have this value of the id property.",
        "Write the record id instead, or merge the records in HubSpot.",
        False,
    ),
    "MISSING_OBJECT_TYPE": Reason(
        "The object type of the first record is missing.",
        "Fill in the cell, or add --from.",
        False,
    ),
    "MISSING_TO_OBJECT_TYPE": Reason(
        "The object type of the second record is missing.",
        "Fill in the cell, or add --to.",
        False,
    ),
    "MISSING_LABEL": Reason(
        "The row names no label, and it is not certain that the whole pair is to be taken off.",
        "Fill in the label or the association type id, or add --whole-pair if a blank one means the whole pair.",
        False,
    ),
    "UNKNOWN_OBJECT_TYPE": Reason(
        "This HubSpot account has no such object type, or several with this name.",
        "Write the name or the id of the object type; the message suggests some.",
        False,
    ),
    "UNKNOWN_CATEGORY": Reason(
        "HubSpot has no such association category.",
        "Write HUBSPOT_DEFINED, USER_DEFINED or INTEGRATOR_DEFINED, or leave the cell blank.",
        False,
    ),
    "WRONG_CATEGORY": Reason(
        "The label or association type id exists, but in another association category.",
        "Write the category that the message names, or leave the cell blank.",
        False,
    ),
    "CATEGORY_WITHOUT_TYPE": Reason(
        "The row has a category but no label or type id, and the association without a label is of another category.",
        "Give the label or the association type id, or leave the category blank.",
        False,
    ),
    "ASSOCIATION_LABEL_NOT_FOUND": Reason(
        "These two object types have no such label in this HubSpot account.",
        "Write a label that `association-loader labels FROM TO` lists; `load` creates labels with --create-labels.",
        False,
    ),
    "AMBIGUOUS_LABEL": Reason(
        "Several association types have this label.",
        "Give the association type id, too.",
        False,
    ),
    "AMBIGUOUS_ASSOCIATION_TYPE_ID": Reason(
        "The association type id exists in two categories, with two meanings.",
        "Give the association category, too.",
        False,
    ),
    "LABEL_AND_TYPE_ID_DISAGREE": Reason(
        "The label and the type id are two different association types.",
        "Leave one of the two cells blank.",
        False,
    ),
    "INVALID_ASSOCIATION_TYPE_ID": Reason(
        "The cell does not contain an association type id.",
        "Write the number only, such as 279, or leave the cell blank.",
        False,
    ),
    "WRONG_ASSOCIATION_TYPE_ID": Reason(
        "The association type does not go from this object type to that one.",
        "Use the type id that the message names; every direction has its own.",
        False,
    ),
    "NO_UNLABELLED_TYPE": Reason(
        "It is not clear which association type these two object types have without a label.",
        "Give a label or an association type id.",
        False,
    ),
    "UNKNOWN_INVERSE_TYPE": Reason(
        "Other rows associate the same two records from the other side, where this association type is not known.",
        "Write the row from the other side, like the others, and load it together with them.",
        False,
    ),
    "OVER_ASSOCIATION_LIMIT": Reason(
        "The record would have more associations of this type than the HubSpot account's limit allows.",
        "Remove associations of that record, or raise the limit in HubSpot's settings; then load the failures file.",
        False,
    ),
    "RECORD_WITH_ITSELF": Reason(
        "Both ids of the row are the same record.",
        "Write the other record's id, or delete the row.",
        False,
    ),
    "CONFLICTING_PRIMARY": Reason(
        "Several rows give one record different primary records (or parent companies); it can have only one.",
        "Keep the label on one of them, and remove it from the others.",
        False,
    ),
    "WOULD_REMOVE_LABELS": Reason(
        "The row asks to take off the type without a label, and HubSpot takes every label of the pair off with it.",
        "Name the label that is to go, or add --whole-pair to take the whole pair off.",
        False,
    ),
}

WHOLE_RECORD = frozenset(
    {"FIELD_COUNT", "MALFORMED_QUOTES", "MALFORMED_JSON", "NUL_CHARACTER", "REPEATED_HEADER", "TOTAL_ROW"}
)
"""The reasons that judge a record as a whole: one result line stands for all rows that it may have asked for."""
