"""An error that HubSpot would answer, as a value that endpoints raise."""

from collections.abc import Mapping, Sequence

from loader.sandbox.answers import Json


class HubSpotError(Exception):
    """A refusal: ``status`` and the parts of HubSpot's ``Error`` body.

    ``category`` None leaves the field out, as some observed bodies do. ``context`` maps names to lists of
    text. ``extra`` are further top-level fields.
    """

    def __init__(
        self,
        status: int,
        message: str,
        category: str | None = None,
        *,
        context: Mapping[str, Sequence[str]] | None = None,
        extra: Mapping[str, Json] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.category = category
        self.context = {name: list(values) for name, values in (context or {}).items()}
        self.extra = dict(extra or {})

    def body(self, correlation_id: str) -> dict[str, Json]:
        """The body of an error answer, in the field order of the observed ones."""
        fields: dict[str, Json] = {
            "status": "error",
            "message": self.message,
            "correlationId": correlation_id,
        }
        if self.context:
            fields["context"] = {name: list(values) for name, values in self.context.items()}
        fields.update(self.extra)
        if self.category is not None:
            fields["category"] = self.category
        return fields

    def first(self) -> "HubSpotError":
        """The same refusal, naming only the first of what it names."""
        context = {name: values[:1] for name, values in self.context.items()}
        return HubSpotError(self.status, self.message, self.category, context=context, extra=self.extra)

    def item(self, context: Mapping[str, Sequence[str]]) -> dict[str, Json]:
        """One of the ``errors`` of a batch answer (documented: StandardError, every field required)."""
        return {
            "status": "error",
            "category": self.category or "VALIDATION_ERROR",
            "message": self.message,
            "context": {name: list(values) for name, values in context.items()},
            "errors": [],
            "links": {},
        }


def together(errors: Sequence[HubSpotError]) -> HubSpotError:
    """The refusal of a whole batch: the first of the errors, naming what all of them name, each once."""
    named = dict.fromkeys(
        tuple(zip(error.context, values, strict=True))
        for error in errors
        for values in zip(*error.context.values(), strict=True)
    )
    context: dict[str, list[str]] = {}
    for name, value in (each for entry in named for each in entry):
        context.setdefault(name, []).append(value)
    return HubSpotError(errors[0].status, errors[0].message, errors[0].category, context=context)


def invalid_input(message: str) -> HubSpotError:
    """400 for a body that the endpoint cannot read (observed: no category)."""
    return HubSpotError(400, f"Invalid input JSON on line 1, column 1: {message}")


def empty_body() -> HubSpotError:
    """400 for a missing body (observed)."""
    return HubSpotError(400, "Invalid JSON input: a request body was expected, but none found", "VALIDATION_ERROR")


def unknown_object_type(name: str) -> HubSpotError:
    """400 for an object type in a path that the portal does not have (observed: no category)."""
    return HubSpotError(400, f"Unable to infer object type from: {name}")


def unknown_type(category: str, type_id: int) -> HubSpotError:
    """400 for a type id that the portal does not have in that category (observed)."""
    spec = f"{category}={type_id}"
    return HubSpotError(
        400,
        "One or more associations are invalid",
        "VALIDATION_ERROR",
        context={
            "associationSpec": [spec],
            "INVALID_ASSOCIATION_TYPE_ID": [f"{spec} is not a valid association definition id"],
        },
    )


def invalid_objects(records: Sequence[tuple[str, int]]) -> HubSpotError:
    """400 for records that do not exist or do not fit the type id: ``(CONTACT, id)`` each.

    Observed for an id of another direction and, since 2026-09, for a deleted record.
    """
    return HubSpotError(
        400,
        "One or more associations are invalid",
        "VALIDATION_ERROR",
        context={
            "INVALID_OBJECT_IDS": [f"{name}={record_id} is not valid" for name, record_id in records],
            "objectId": [str(record_id) for _, record_id in records],
            "objectType": [name for name, _ in records],
        },
    )


def no_default(from_name: str, to_name: str) -> HubSpotError:
    """400 where two object types have no unlabelled association (weakly observed)."""
    return HubSpotError(400, f"No default association exists between {from_name} and {to_name}", "VALIDATION_ERROR")


def limit_reached(object_type: str, record_id: int, key: tuple[str, int], most: int) -> HubSpotError:
    """400 for an association beyond the limit of its type; the wording and the names are made up.

    That there is an error is announced by HubSpot; no such answer was found anywhere.
    """
    spec = f"{key[0]}={key[1]}"
    return HubSpotError(
        400,
        "One or more associations exceed a limit",
        "VALIDATION_ERROR",
        context={
            "ASSOCIATION_LIMIT_EXCEEDED": [f"{object_type}={record_id} has reached the limit of {most} of {spec}"],
            "objectId": [str(record_id)],
            "objectType": [object_type],
            "associationSpec": [spec],
        },
    )


def too_many_labels(from_name: str, to_name: str, most: int) -> HubSpotError:
    """437, HubSpot's own status, for a label beyond those that a pair of object types may have (observed 2026-10)."""
    return HubSpotError(
        437, f"No more than {most} association types are allowed between {from_name} and {to_name}", "VALIDATION_ERROR"
    )


def record_not_found() -> HubSpotError:
    """404 for a record id that is not a number (weakly observed; the two blanks are HubSpot's)."""
    return HubSpotError(404, "Object not found.  objectId are usually numeric.", "OBJECT_NOT_FOUND")


def too_many(what: str, count: int, limit: int) -> HubSpotError:
    """400 for a batch over its documented size; the wording is not documented."""
    return HubSpotError(400, f"{count} {what} were given, the maximum in one request is {limit}", "VALIDATION_ERROR")


def unauthenticated() -> HubSpotError:
    """401 for a missing or unknown token (observed)."""
    return HubSpotError(
        401,
        "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find "
        "more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview",
        "INVALID_AUTHENTICATION",
    )


def expired(expire_time: str) -> HubSpotError:
    """401 for an access token past its time (observed; the blank in the context's name is HubSpot's)."""
    return HubSpotError(
        401,
        "The OAuth token used to make this call expired 0 second(s) ago.",
        "EXPIRED_AUTHENTICATION",
        context={"expire time": [expire_time]},
    )


def missing_scopes(required: Sequence[str]) -> HubSpotError:
    """403 with the scopes, one of which is needed (observed)."""
    explanation = "https://developers.hubspot.com/scopes"
    return HubSpotError(
        403,
        "This app hasn't been granted all required scopes to make this call. Read more about required "
        f"scopes here: {explanation}.",
        "MISSING_SCOPES",
        extra={
            "errors": [
                {
                    "message": "One or more of the following scopes are required.",
                    "context": {"requiredScopes": list(required)},
                }
            ],
            "links": {"scopes": explanation},
        },
    )
