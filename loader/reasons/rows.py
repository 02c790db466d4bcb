"""Why a row is never sent: reasons of ours, each found before a request is made."""

from loader.reasons.answers import Reason

ROWS: dict[str, Reason] = {
    "INVALID_RECORD_ID": Reason(
        "The cell does not hold a HubSpot record id.",
        "Put the record id (digits only) into the cell, or name the right column with --column.",
        False,
    ),
    "MISSING_RECORD_ID": Reason(
        "The id cell is blank.",
        "Fill in the record id, or delete the row.",
        False,
    ),
    "SCIENTIFIC_NOTATION": Reason(
        "The id is in scientific notation, which has lost digits.",
        "Format the column as text in the source, and export it again.",
        False,
    ),
    "DIGITS_LOST": Reason(
        "The id went through a number that cannot hold all its digits.",
        "Format the column as text in the source, and export it again.",
        False,
    ),
    "FRACTION": Reason(
        "The id has a fraction, or a point as thousands separator.",
        "Write the record id in digits only.",
        False,
    ),
    "SEPARATOR": Reason(
        "The id cell may hold one number with separators, or several ids.",
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
        "The cell holds a date or a time, not an id.",
        "Format the column as text in the source, and export it again.",
        False,
    ),
    "BOOLEAN": Reason(
        "The cell holds true or false, not an id.",
        "Put the record id there, or name the right column with --column.",
        False,
    ),
    "ERROR_CELL": Reason(
        "The cell holds a spreadsheet's error, such as #N/A.",
        "Mend the formula, or paste the values.",
        False,
    ),
    "FORMULA_WITHOUT_VALUE": Reason(
        "The cell's formula was never calculated.",
        "Open the file in a spreadsheet and save it, or paste the values.",
        False,
    ),
    "MERGED_CELL": Reason(
        "The cell is merged with another, which alone has the content.",
        "Unmerge the cells, and fill in each.",
        False,
    ),
    "UNREADABLE_CHARACTERS": Reason(
        "The cell holds characters that could not be read.",
        "Mend the cell, or name the file's encoding with --encoding.",
        False,
    ),
    "NUL_CHARACTER": Reason(
        "The record holds a NUL character and may be damaged.",
        "Write the record again.",
        False,
    ),
    "FIELD_COUNT": Reason(
        "The record has more or fewer fields than the header, so its cells may have shifted.",
        "Mend its delimiters, or quote the text that holds one.",
        False,
    ),
    "MALFORMED_QUOTES": Reason(
        "The record has text after a closing quote.",
        "Double the quotes that belong to the text, or export the file again.",
        False,
    ),
    "MALFORMED_JSON": Reason(
        "The line is not one JSON object with each key once.",
        "Mend the line.",
        False,
    ),
    "REPEATED_HEADER": Reason(
        "The record is the header once more.",
        "Delete the row.",
        False,
    ),
    "WRONG_RECORD_ADDRESS": Reason(
        "The record's address is in another portal than the load goes to, or that of another object type.",
        "Put in the record of the right portal and object type, or change --from, --to or the token.",
        False,
    ),
    "TOTAL_ROW": Reason(
        "The record is a row of totals: it says so, and its numbers are far shorter than the other rows' ids.",
        "Delete the row.",
        False,
    ),
    "PLACEHOLDER": Reason(
        "The cell holds a word for nothing, such as NULL or n/a, instead of a value that stands for a record.",
        "Fill in the value, or delete the row.",
        False,
    ),
    "RECORD_NOT_FOUND": Reason(
        "HubSpot has no record with this value of the id property.",
        "Mend the cell, or make the record in HubSpot first; then load the failures file.",
        True,
    ),
    "AMBIGUOUS_RECORD": Reason(
        "Several records have this value of the id property.",
        "Write the record id instead, or merge the records in HubSpot.",
        False,
    ),
    "MISSING_OBJECT_TYPE": Reason(
        "Neither the row nor an option says the object type.",
        "Fill in the cell, or add --from.",
        False,
    ),
    "MISSING_TO_OBJECT_TYPE": Reason(
        "Neither the row nor an option says the to object type.",
        "Fill in the cell, or add --to.",
        False,
    ),
    "MISSING_LABEL": Reason(
        "The row names no label, and it is not certain that the whole pair is to be taken off.",
        "Fill in the label or the association type id, or add --whole-pair if a blank one means the whole pair.",
        False,
    ),
    "UNKNOWN_OBJECT_TYPE": Reason(
        "The object type is none that this portal has, or a name that several share.",
        "Write the name or the id of the object type; the message names the nearest ones.",
        False,
    ),
    "UNKNOWN_CATEGORY": Reason(
        "The association category is none that HubSpot has.",
        "Write HUBSPOT_DEFINED, USER_DEFINED or INTEGRATOR_DEFINED, or leave the cell blank.",
        False,
    ),
    "WRONG_CATEGORY": Reason(
        "The label or association type id is right, and belongs to another association category.",
        "Write the category that the message names, or leave the cell blank.",
        False,
    ),
    "CATEGORY_WITHOUT_TYPE": Reason(
        "The row names a category alone, and the association without a label is of another one.",
        "Name the label or the association type id, or leave the category blank.",
        False,
    ),
    "ASSOCIATION_LABEL_NOT_FOUND": Reason(
        "These two object types have no such label in this portal.",
        "Write a label that `association-loader labels FROM TO` lists, or have it made with --create-labels.",
        False,
    ),
    "AMBIGUOUS_LABEL": Reason(
        "The label stands for several association types.",
        "Name the association type id beside it.",
        False,
    ),
    "AMBIGUOUS_ASSOCIATION_TYPE_ID": Reason(
        "The association type id exists under two categories, with two meanings.",
        "Name the association category beside it.",
        False,
    ),
    "LABEL_AND_TYPE_ID_DISAGREE": Reason(
        "The label is one association type, and the type id another.",
        "Leave one of the two cells blank.",
        False,
    ),
    "INVALID_ASSOCIATION_TYPE_ID": Reason(
        "The cell does not hold an association type id.",
        "Write the number only, such as 279, or leave the cell blank.",
        False,
    ),
    "WRONG_ASSOCIATION_TYPE_ID": Reason(
        "The association type does not go from this object type to that one.",
        "Use the type id that the message names; every direction has its own.",
        False,
    ),
    "NO_UNLABELLED_TYPE": Reason(
        "It is not certain which association type links these two object types without a label.",
        "Name a label or an association type id.",
        False,
    ),
    "UNKNOWN_INVERSE_TYPE": Reason(
        "Other rows link the same two records from the other end, where this row's association type is not known.",
        "Write the row from the other end, as the others are, and load it together with them.",
        False,
    ),
    "OVER_ASSOCIATION_LIMIT": Reason(
        "The record would have more associations of this type than the portal's limit allows.",
        "Take associations off that record, or raise the limit in HubSpot's settings; then load the failures file.",
        False,
    ),
    "RECORD_WITH_ITSELF": Reason(
        "Both ids of the row are the same record.",
        "Write the other record's id, or delete the row.",
        False,
    ),
    "CONFLICTING_PRIMARY": Reason(
        "Several rows name different primary records (or parent companies) for one record, which can have only one.",
        "Keep the label on one of them, and take it off the others.",
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
