"""Every endpoint of the sandbox: its success and its error bodies, over HTTP."""

from typing import Any

import pytest

from loader.sandbox import Sandbox
from tests.stages.sandbox_client import BATCH, PAIR, Answer, ask, entry, post, put, spec

LABELS = [
    {"from": "contacts", "to": "companies", "label": "Decision maker", "type_id": 36, "inverse_type_id": 37},
    {"from": "contacts", "to": "companies", "label": "Buyer", "type_id": 38, "inverse_type_id": 39},
]
VERSIONS = ("2025-09", "2026-03", "2026-09")


async def test_a_put_answers_wrapped_with_200() -> None:
    """The shape of the v4 specification from August 2025 to February 2026."""
    async with Sandbox({"labels": LABELS}, answers="wrapped") as sandbox:
        first = await put(sandbox, PAIR, spec(36, "USER_DEFINED"))
        again = await put(sandbox, PAIR, spec(36, "USER_DEFINED"))
        other = await put(sandbox, PAIR.replace("201", "202"))
    assert first.status == 200
    assert first.body["entity"] == {
        "fromObjectTypeId": "0-1",
        "fromObjectId": "101",
        "toObjectTypeId": "0-2",
        "toObjectId": "201",
        "labels": ["Decision maker"],
    }
    assert first.body["location"]
    assert first.body["createdResourceId"] == again.body["createdResourceId"] != other.body["createdResourceId"]


async def test_a_put_answers_bare_with_201_and_numbers() -> None:
    """The shape of every live capture."""
    async with Sandbox({"labels": LABELS}) as sandbox:
        reply = await put(sandbox, PAIR, spec(36, "USER_DEFINED"), spec(38, "USER_DEFINED"))
    assert reply.status == 201
    assert reply.body == {
        "fromObjectTypeId": "0-1",
        "fromObjectId": 101,
        "toObjectTypeId": "0-2",
        "toObjectId": 201,
        "labels": ["Decision maker", "Buyer"],
    }


@pytest.mark.parametrize(
    ("version", "status", "location"),
    [("2025-09", 200, None), ("2026-03", 201, None), ("2026-09", 201, "/crm/objects/2026-09/0-1/101")],
)
async def test_the_dated_paths_take_a_put(version: str, status: int, location: str | None) -> None:
    """Of the dated versions only 2025-09 ever had the wrapped answer, and only 2026-09 has a Location header."""
    async with Sandbox(answers="wrapped") as sandbox:
        path = f"/crm/objects/{version}/contacts/101/associations/companies/201"
        reply = await put(sandbox, path)
        assert len(sandbox.portal.associations) == 1
    assert reply.status == status
    assert reply.headers.get("Location", "").startswith(location or "")
    assert ("Location" in reply.headers) == (location is not None)
    assert reply.body.get("entity", reply.body)["toObjectId"] == ("201" if status == 200 else 201)


async def test_duplicate_specs_collapse() -> None:
    """HubSpot reads them into a set."""
    async with Sandbox() as sandbox:
        reply = await put(sandbox, PAIR, spec(1), spec(1))
    assert reply.body["labels"] == ["Primary"]


@pytest.mark.parametrize(
    ("path", "body", "context"),
    [
        (
            PAIR,
            [spec(3, "USER_DEFINED")],
            {
                "associationSpec": ["USER_DEFINED=3"],
                "INVALID_ASSOCIATION_TYPE_ID": ["USER_DEFINED=3 is not a valid association definition id"],
            },
        ),
        (
            "/crm/v4/objects/deals/38374264688/associations/companies/201",
            [spec(1)],
            {
                "INVALID_OBJECT_IDS": ["CONTACT=38374264688 is not valid"],
                "objectId": ["38374264688"],
                "objectType": ["CONTACT"],
            },
        ),
        (
            PAIR,
            [spec(280)],
            {
                "INVALID_OBJECT_IDS": ["COMPANY=101 is not valid", "CONTACT=201 is not valid"],
                "objectId": ["101", "201"],
                "objectType": ["COMPANY", "CONTACT"],
            },
        ),
        (
            PAIR.replace("201", "999"),
            [spec(279)],
            {"INVALID_OBJECT_IDS": ["COMPANY=999 is not valid"], "objectId": ["999"], "objectType": ["COMPANY"]},
        ),
    ],
    ids=["unknown id", "id of another pair", "id of the other direction", "missing record"],
)
async def test_a_wrong_type_id_or_record_is_a_400_with_its_context(
    path: str, body: object, context: dict[str, list[str]]
) -> None:
    async with Sandbox({"missing": [{"type": "companies", "id": "999"}]}) as sandbox:
        reply = await ask(sandbox, "PUT", path, body)
        assert len(sandbox.portal.associations) == 0
    assert (reply.status, reply.body["status"], reply.body["category"]) == (400, "error", "VALIDATION_ERROR")
    assert reply.body["message"] == "One or more associations are invalid"
    assert reply.body["context"] == context
    assert reply.headers["x-hubspot-correlation-id"] == reply.body["correlationId"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "a request body was expected, but none found"),
        (b"{", "Invalid input JSON on line 1, column 1"),
        (b'"x"', "Cannot deserialize value of type `java.util.HashSet<AssociationSpec>`"),
        (b"[]", "HashSet"),
        (b"[1]", "AssociationSpec"),
        (b'[{"associationCategory":"MINE","associationTypeId":1}]', "MINE"),
        (b'[{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":"x"}]', "int"),
        (b"[" * 100_000, "Invalid input JSON"),
    ],
)
async def test_a_body_that_is_no_list_of_specs_is_a_400(data: bytes, message: str) -> None:
    async with Sandbox() as sandbox:
        reply = await ask(sandbox, "PUT", PAIR, data=data)
        assert len(sandbox.portal.associations) == 0
    assert reply.status == 400
    assert message in reply.body["message"]


@pytest.mark.parametrize("name", ["vendor", "vendors", "2-1", "0-99999"])
async def test_an_unknown_object_type_is_a_400_without_a_category(name: str) -> None:
    """Observed for base names of custom objects."""
    async with Sandbox({"schemas": [{"name": "vendor"}]}) as sandbox:
        reply = await put(sandbox, f"/crm/v4/objects/{name}/1/associations/companies/2")
    assert reply.status == 400
    assert reply.body["message"] == f"Unable to infer object type from: {name}"
    assert "category" not in reply.body


@pytest.mark.parametrize("record_id", ["abc", "1.0", "0", "-1", "12%2F..", "99999999999999999999", "%D9%A1"])
async def test_a_record_id_that_is_no_number_is_a_404(record_id: str) -> None:
    """No id is guessed."""
    async with Sandbox() as sandbox:
        reply = await put(sandbox, f"/crm/v4/objects/contacts/{record_id}/associations/companies/2")
    assert (reply.status, reply.body["category"]) == (404, "OBJECT_NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("PATCH", PAIR), ("GET", "/crm/v5/objects"), ("POST", BATCH + "/burn")]
)
async def test_a_path_that_is_no_endpoint_is_a_404(method: str, path: str) -> None:
    """It is counted all the same."""
    async with Sandbox() as sandbox:
        assert (await ask(sandbox, method, path)).status == 404
        assert sandbox.count(route="unknown", status=404) == 1


@pytest.mark.parametrize("prefix", ["/crm/v4/objects", "/crm/objects/2026-03"])
async def test_the_default_put_adds_the_unlabelled_type(prefix: str) -> None:
    async with Sandbox() as sandbox:
        await put(sandbox, PAIR, spec(1))
        reply = await ask(sandbox, "PUT", f"{prefix}/contacts/101/associations/default/companies/201")
        assert sandbox.portal.types_of("0-1", 101, "0-2", 201) == {("HUBSPOT_DEFINED", 279), ("HUBSPOT_DEFINED", 1)}
    assert (reply.status, reply.body["status"]) == (200, "COMPLETE")
    assert reply.body["results"] == [
        {"from": {"id": "101"}, "to": {"id": "201"}, "associationSpec": spec(279)},
        {"from": {"id": "201"}, "to": {"id": "101"}, "associationSpec": spec(280)},
    ]


async def test_a_pair_without_a_default_definition_is_a_400() -> None:
    """Weakly observed wording."""
    async with Sandbox() as sandbox:
        reply = await ask(sandbox, "PUT", "/crm/v4/objects/contacts/1/associations/default/products/2")
    assert (reply.status, reply.body["category"]) == (400, "VALIDATION_ERROR")
    assert reply.body["message"] == "No default association exists between CONTACT and PRODUCT"


@pytest.mark.parametrize("prefix", ["/crm/v4/objects", "/crm/objects/2026-09"])
async def test_a_list_goes_on_page_by_page(prefix: str) -> None:
    """``after`` leads through all pages and is absent from the last."""
    async with Sandbox() as sandbox:
        for company in (205, 201, 203):
            await ask(sandbox, "PUT", PAIR.replace("201", str(company)), [spec(1)])
        path = f"{prefix}/contacts/101/associations/companies?limit=2"
        first = await ask(sandbox, "GET", path)
        last = await ask(sandbox, "GET", f"{path}&after={first.body['paging']['next']['after']}")
        back = await ask(sandbox, "GET", f"{prefix}/companies/203/associations/contacts")
    assert [each["toObjectId"] for each in first.body["results"]] == [201, 203]
    assert [each["toObjectId"] for each in last.body["results"]] == [205]
    assert "paging" not in last.body
    assert back.body["results"] == [
        {
            "toObjectId": 101,
            "associationTypes": [
                {"category": "HUBSPOT_DEFINED", "typeId": 280, "label": None},
                {"category": "HUBSPOT_DEFINED", "typeId": 2, "label": "Contact with Primary Company"},
            ],
        }
    ]


@pytest.mark.parametrize("prefix", ["/crm/v4/objects", "/crm/objects/2026-03"])
async def test_a_delete_removes_the_pair_and_may_be_repeated(prefix: str) -> None:
    async with Sandbox() as sandbox:
        await put(sandbox, PAIR, spec(1))
        path = f"{prefix}/companies/201/associations/contacts/101"
        assert [(await ask(sandbox, "DELETE", path)).status for _ in range(2)] == [204, 204]
        assert sandbox.portal.pairs() == {}


async def test_a_batch_create_answers_201_in_another_order() -> None:
    """Results must not be matched by position."""
    inputs = [entry(str(contact), "201") for contact in range(1, 31)]
    async with Sandbox() as sandbox:
        reply = await post(sandbox, BATCH + "/create", inputs)
        assert len(sandbox.portal.associations) == 30
    ids = [each["fromObjectId"] for each in reply.body["results"]]
    assert (reply.status, reply.body["status"]) == (201, "COMPLETE")
    assert ids != [str(contact) for contact in range(1, 31)]
    assert sorted(map(int, ids)) == list(range(1, 31))
    assert {"startedAt", "completedAt"} <= reply.body.keys()
    assert not {"errors", "numErrors"} & reply.body.keys()


@pytest.mark.parametrize(
    ("error_context", "keys"),
    [
        ("pair", {"fromObjectId", "toObjectId", "INVALID_OBJECT_IDS", "objectId", "objectType"}),
        ("observed", {"INVALID_OBJECT_IDS", "objectId", "objectType"}),
        ("none", set()),
    ],
)
async def test_a_batch_create_can_answer_207_for_bad_inputs(error_context: Any, keys: set[str]) -> None:
    """On demand the good ones are written; what an error names can be chosen."""
    inputs = [entry("1", "201"), entry("2", "999"), entry("3", "202", spec(280))]
    missing = [{"type": "companies", "id": "999"}]
    async with Sandbox({"missing": missing}, invalid_pairs="each", error_context=error_context) as sandbox:
        reply = await post(sandbox, BATCH + "/create", inputs)
        assert len(sandbox.portal.associations) == 1
    assert (reply.status, reply.body["numErrors"]) == (207, 2)
    assert len(reply.body["results"]) == 1
    assert [set(each["context"]) for each in reply.body["errors"]] == [keys, keys]


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_dated_batches_answer_with_a_body(version: str) -> None:
    """201 for create, 200 for archive and labels/archive."""
    base = f"/crm/associations/{version}/contacts/companies/batch"
    async with Sandbox() as sandbox:
        created = await post(sandbox, base + "/create", [entry("1", "2", spec(1))])
        stripped = await post(sandbox, base + "/labels/archive", [entry("1", "2", spec(1))])
        assert sandbox.portal.types_of("0-1", 1, "0-2", 2) == {("HUBSPOT_DEFINED", 279)}
        archived = await post(sandbox, base + "/archive", [{"from": {"id": "1"}, "to": [{"id": "2"}]}])
        assert sandbox.portal.pairs() == {}
    assert [reply.status for reply in (created, stripped, archived)] == [201, 200, 200]
    assert {reply.body["status"] for reply in (created, stripped, archived)} == {"COMPLETE"}


@pytest.mark.parametrize(
    ("endpoint", "inputs"),
    [
        ("create", [entry("1", str(number)) for number in range(1, 2002)]),
        ("labels/archive", [entry("1", str(number)) for number in range(1, 102)]),
        ("associate/default", [entry("1", str(number)) for number in range(1, 2002)]),
        ("read", [{"id": str(number)} for number in range(1, 1002)]),
        ("archive", [{"from": {"id": str(number)}, "to": [{"id": "1"}]} for number in range(1, 102)]),
        ("create", []),
        ("create", [1]),
        ("create", [{"from": {"id": "x"}, "to": {"id": "1"}, "types": [spec(279)]}]),
        ("create", [{"from": {"id": "1"}, "to": {"id": "1"}}]),
        ("archive", [entry("1", "2")]),
        ("read", [{"id": True}]),
        ("labels/archive", [entry("1", "2", spec(99999))]),
    ],
)
async def test_a_batch_too_big_or_unreadable_is_a_400_and_writes_nothing(endpoint: str, inputs: object) -> None:
    """2,000 writes, 1,000 reads, 100 from records of an archive, 100 pairs of a labels archive."""
    async with Sandbox() as sandbox:
        reply = await ask(sandbox, "POST", f"{BATCH}/{endpoint}", {"inputs": inputs})
        assert len(sandbox.portal.associations) == 0
    assert (reply.status, reply.body["status"]) == (400, "error")


async def test_a_batch_default_has_its_errors_in_a_200() -> None:
    """A 200 is no proof."""
    inputs = [{"from": {"id": "1"}, "to": {"id": "2"}}, {"from": {"id": "1"}, "to": {"id": "999"}}]
    async with Sandbox({"missing": [{"type": "companies", "id": "999"}]}, invalid_pairs="each") as sandbox:
        reply = await post(sandbox, BATCH + "/associate/default", inputs)
        assert len(sandbox.portal.associations) == 1
    assert (reply.status, reply.body["numErrors"], len(reply.body["results"])) == (200, 1, 2)
    assert reply.body["errors"][0]["context"]["toObjectId"] == ["999"]


async def test_a_batch_read_has_pages_and_may_leave_records_out() -> None:
    """On demand a record without associations is absent."""
    async with Sandbox(page_size=2, no_associations="absent") as sandbox:
        for company in (201, 202, 203):
            sandbox.portal.associate("0-1", 1, "0-2", company, frozenset())
        sandbox.portal.associate("0-1", 2, "0-2", 201, frozenset())
        reply = await post(sandbox, BATCH + "/read", [{"id": "1"}, {"id": "2"}, {"id": "3"}])
        found = {each["from"]["id"]: each for each in reply.body["results"]}
        after = found["1"]["paging"]["next"]["after"]
        rest = await post(sandbox, BATCH + "/read", [{"id": "1", "after": after}])
    assert reply.status == 200
    assert sorted(found) == ["1", "2"]
    assert [each["toObjectId"] for each in found["1"]["to"]] == [201, 202]
    assert "paging" not in found["2"]
    assert [each["toObjectId"] for each in rest.body["results"][0]["to"]] == [203]
    assert found["2"]["to"][0]["associationTypes"] == [{"category": "HUBSPOT_DEFINED", "typeId": 279, "label": None}]


async def test_v4_archives_answer_204() -> None:
    """``to`` is an array in archive and one record in labels/archive."""
    async with Sandbox({"labels": LABELS}) as sandbox:
        both = [spec(36, "USER_DEFINED"), spec(38, "USER_DEFINED")]
        await post(sandbox, BATCH + "/create", [entry("1", "2", *both), entry("1", "3")])
        labels = {"inputs": [entry("1", "2", spec(36, "USER_DEFINED"))]}
        assert (await ask(sandbox, "POST", BATCH + "/labels/archive", labels)).status == 204
        assert sandbox.portal.types_of("0-1", 1, "0-2", 2) == {("HUBSPOT_DEFINED", 279), ("USER_DEFINED", 38)}
        plain = {"inputs": [entry("1", "2", spec(279))]}
        assert (await ask(sandbox, "POST", BATCH + "/labels/archive", plain)).status == 204
        assert len(sandbox.portal.associations) == 1
        whole = {"inputs": [{"from": {"id": "1"}, "to": [{"id": "2"}, {"id": "3"}]}]}
        assert (await ask(sandbox, "POST", BATCH + "/archive", whole)).status == 204
        assert len(sandbox.portal.associations) == 0


@pytest.mark.parametrize(
    "path",
    [
        "/crm/v4/associations/contacts/companies/labels",
        "/crm/associations/v4/contacts/companies/labels",
        "/crm/associations/2026-03/0-1/0-2/labels",
    ],
)
async def test_the_labels_are_listed_under_every_path(path: str) -> None:
    """HubSpot's own and the portal's; the object types of the direction are null in the dated versions."""
    async with Sandbox({"labels": LABELS}) as sandbox:
        reply = await ask(sandbox, "GET", path)
    dated = "2026" in path
    ends = {"fromObjectTypeId": None if dated else "0-1", "toObjectTypeId": None if dated else "0-2"}
    assert reply.status == 200
    assert {"category": "USER_DEFINED", "typeId": 36, "label": "Decision maker", **ends} in reply.body["results"]
    assert {"category": "HUBSPOT_DEFINED", "typeId": 279, "label": None, **ends} in reply.body["results"]
    assert all(each["typeId"] != 37 for each in reply.body["results"])


async def test_a_label_is_defined_renamed_and_deleted() -> None:
    """One type for each direction in the first answer, 204 for the others."""
    path = "/crm/v4/associations/contacts/companies/labels"
    async with Sandbox() as sandbox:
        created = await ask(sandbox, "POST", path, {"name": "owner", "label": "Owner", "inverseLabel": "Owned"})
        there, back = created.body["results"]
        assert (created.status, there["label"], back["label"]) == (200, "Owner", "Owned")
        body = {"associationTypeId": there["typeId"], "label": "Holder"}
        assert (await ask(sandbox, "PUT", path, body)).status == 204
        labelled = await put(sandbox, PAIR, spec(there["typeId"], "USER_DEFINED"))
        assert labelled.body["labels"] == ["Holder"]
        assert (await ask(sandbox, "DELETE", f"{path}/{there['typeId']}")).status == 204
        assert (await ask(sandbox, "DELETE", f"{path}/{there['typeId']}")).status == 404
        assert sandbox.portal.types_of("0-1", 101, "0-2", 201) == {("HUBSPOT_DEFINED", 279)}


@pytest.mark.parametrize("body", [[], {"label": "x"}, {"name": "buyer", "label": "Buyer"}])
async def test_a_label_without_its_fields_or_defined_twice_is_a_400(body: object) -> None:
    """``name`` and ``label`` are required."""
    async with Sandbox({"labels": LABELS}) as sandbox:
        reply = await ask(sandbox, "POST", "/crm/v4/associations/contacts/companies/labels", body)
    assert reply.status == 400


@pytest.mark.parametrize("path", ["/crm/v3/objects/contacts/batch/read", "/crm/objects/2026-03/0-1/batch/read"])
async def test_records_are_found_by_a_unique_property(path: str) -> None:
    """207 with the values that found none."""
    records = [{"type": "contacts", "id": "101", "properties": {"email": "ada@example.com", "age": "36"}}]
    body = {"idProperty": "email", "properties": ["email"], "propertiesWithHistory": []}
    async with Sandbox({"records": records}) as sandbox:
        inputs = [{"id": "ADA@example.com"}, {"id": "nobody@example.com"}]
        partial = await ask(sandbox, "POST", path, {**body, "inputs": inputs})
        whole = await ask(sandbox, "POST", path, {**body, "inputs": inputs[:1]})
    assert (partial.status, whole.status) == (207, 200)
    (found,) = partial.body["results"]
    assert found["id"] == found["properties"]["hs_object_id"] == "101"
    assert found["properties"]["email"] == "ada@example.com"
    assert "age" not in found["properties"]
    (error,) = partial.body["errors"]
    assert (error["category"], error["context"]) == ("OBJECT_NOT_FOUND", {"ids": ["nobody@example.com"]})
    assert error["message"].startswith("Could not get some CONTACT objects, they may be deleted or not exist.")


async def test_records_are_found_by_id_and_a_batch_has_100_at_most() -> None:
    """Unlisted records exist."""
    path = "/crm/v3/objects/contacts/batch/read"
    async with Sandbox({"missing": [{"type": "contacts", "id": 9}]}) as sandbox:
        body: dict[str, object] = {"properties": [], "propertiesWithHistory": []}
        reply = await ask(sandbox, "POST", path, {**body, "inputs": [{"id": "1"}, {"id": "9"}, {"id": "x"}]})
        big = await ask(sandbox, "POST", path, {**body, "inputs": [{"id": str(number)} for number in range(1, 102)]})
    assert [each["id"] for each in reply.body["results"]] == ["1"]
    assert reply.body["errors"][0]["context"] == {"ids": ["9", "x"]}
    assert big.status == 400


@pytest.mark.parametrize("prefix", ["/crm-object-schemas/v3", "/crm/v3", "/crm-object-schemas/2026-03"])
async def test_schemas_show_the_custom_objects(prefix: str) -> None:
    async with Sandbox({"schemas": [{"name": "lender", "associates": ["contacts"]}]}) as sandbox:
        everything = await ask(sandbox, "GET", prefix + "/schemas")
        one = await ask(sandbox, "GET", prefix + "/schemas/p62515_lender")
        other = await ask(sandbox, "GET", prefix + "/schemas/contacts")
    assert everything.body["results"] == [one.body]
    assert (one.body["objectTypeId"], one.body["fullyQualifiedName"], one.body["name"]) == (
        "2-7282133",
        "p62515_lender",
        "lender",
    )
    assert one.body["labels"] == {"singular": "Lender", "plural": "Lenders"}
    assert one.body["associations"][0]["toObjectTypeId"] == "0-1"
    assert other.status == 404


async def refresh(sandbox: Sandbox, *, version: str = "v3", given: str = "c", left_out: str = "") -> Answer:
    """Ask for an access token by a form, of which a field may be left out. No bearer token is needed."""
    form = {"grant_type": "refresh_token", "client_id": "a", "client_secret": "b", "refresh_token": given}
    data = {name: value for name, value in form.items() if name != left_out}
    return await ask(sandbox, "POST", f"/oauth/{version}/token", data=data, token=None)


@pytest.mark.parametrize("version", ["v1", "v3", "2026-03", "2026-09"])
async def test_a_refresh_gives_an_access_token(version: str) -> None:
    """Form-encoded in, JSON out; no bearer token is needed."""
    async with Sandbox({"oauth": {"required": True, "refresh_token": "c"}}) as sandbox:
        reply = await refresh(sandbox, version=version)
        used = await put(sandbox, token=reply.body["access_token"])
        unknown = await put(sandbox)
    assert (reply.body["token_type"], reply.body["expires_in"], reply.body["refresh_token"]) == ("bearer", 1800, "c")
    assert (reply.status, used.status, unknown.status) == (200, 201, 401)


async def test_a_rotated_refresh_token_is_refused_the_second_time() -> None:
    """invalid_grant, as HubSpot words it."""
    async with Sandbox({"oauth": {"refresh_token": "c", "rotate": True}}) as sandbox:
        first, again = await refresh(sandbox), await refresh(sandbox)
        rotated = await refresh(sandbox, given=first.body["refresh_token"])
        assert sandbox.portal.tokens.refreshes == 2
    assert (first.status, again.status, rotated.status) == (200, 400, 200)
    assert (again.body["error"], again.body["status"]) == ("invalid_grant", "BAD_REFRESH_TOKEN")
    assert again.body["error_description"] == "refresh token is invalid, expired or revoked"


@pytest.mark.parametrize("left_out", ["grant_type", "client_id", "client_secret", "refresh_token"])
async def test_a_refresh_without_a_field_is_a_400(left_out: str) -> None:
    async with Sandbox() as sandbox:
        assert (await refresh(sandbox, left_out=left_out)).status == 400


async def test_an_access_token_expires() -> None:
    """401 EXPIRED_AUTHENTICATION, on a clock that the test moves."""
    now = [0.0]
    async with Sandbox({"oauth": {"expires_in": 60}}, clock=lambda: now[0]) as sandbox:
        token = (await refresh(sandbox)).body["access_token"]
        now[0] = 59.9
        fresh = await put(sandbox, token=token)
        now[0] = 60
        stale = await put(sandbox, token=token)
    assert (fresh.status, stale.status, stale.body["category"]) == (201, 401, "EXPIRED_AUTHENTICATION")
    assert list(stale.body["context"]) == ["expire time"]


async def test_a_missing_or_unknown_token_is_a_401() -> None:
    """INVALID_AUTHENTICATION."""
    async with Sandbox({"tokens": ["right"]}) as sandbox:
        replies = [await put(sandbox, token=token) for token in (None, "wrong", "right")]
        assert len(sandbox.portal.associations) == 1
    assert [reply.status for reply in replies] == [401, 401, 201]
    assert replies[0].body["category"] == "INVALID_AUTHENTICATION"
    assert replies[0].body["message"].startswith("Authentication credentials not found.")


async def test_a_missing_scope_is_a_403_that_names_it() -> None:
    """Write scopes for writes, either for reads."""
    async with Sandbox({"scopes": ["crm.objects.contacts.write", "crm.objects.companies.read"]}) as sandbox:
        write = await put(sandbox)
        read = await ask(sandbox, "GET", "/crm/v4/objects/contacts/1/associations/companies")
    assert (write.status, write.body["category"], read.status) == (403, "MISSING_SCOPES", 200)
    assert write.body["errors"][0]["context"] == {"requiredScopes": ["crm.objects.companies.write"]}


@pytest.mark.parametrize("version", ["v3", "2026-03"])
async def test_the_account_tells_its_id_and_time_zone(version: str) -> None:
    """So that a load can check where it goes."""
    async with Sandbox({"portal_id": 7, "time_zone": "Asia/Kolkata"}) as sandbox:
        reply = await ask(sandbox, "GET", f"/account-info/{version}/details")
    assert (reply.body["portalId"], reply.body["timeZone"]) == (7, "Asia/Kolkata")
    assert (reply.body["utcOffset"], reply.body["utcOffsetMilliseconds"]) == ("+05:30", 19_800_000)


@pytest.mark.parametrize("version", ["v3", "2026-03"])
async def test_the_daily_usage_counts_and_says_when_it_resets(version: str) -> None:
    """``resetsAt`` is the next midnight of the portal."""
    async with Sandbox({"time_zone": "America/New_York"}, daily=500, wall=lambda: 1765578310.655) as sandbox:
        await put(sandbox)
        reply = await ask(sandbox, "GET", f"/account-info/{version}/api-usage/daily/private-apps")
    assert reply.body["results"] == [
        {
            "name": "private-apps-api-calls-daily",
            "usageLimit": 500,
            "currentUsage": 2,
            "collectedAt": "2025-12-12T22:25:10.655Z",
            "fetchStatus": "SUCCESS",
            "resetsAt": "2025-12-13T05:00:00Z",
        }
    ]


async def test_a_custom_object_is_associated_like_any_other() -> None:
    """By its id or its qualified name, with the id that the labels endpoint gives."""
    async with Sandbox({"schemas": [{"name": "lender", "associates": ["contacts"]}]}) as sandbox:
        labels = await ask(sandbox, "GET", "/crm/v4/associations/p62515_lender/contacts/labels")
        (plain,) = labels.body["results"]
        path = "/crm/v4/objects/2-7282133/5/associations/contacts/101"
        reply = await put(sandbox, path, spec(plain["typeId"], plain["category"]))
        assert sandbox.portal.types_of("p_lender", 5, "contacts", 101) == {(plain["category"], plain["typeId"])}
    assert reply.status == 201
