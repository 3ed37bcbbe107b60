"""Conditions of UPDATE and DELETE never reach more rows than they were written for."""

import pytest

ROWS = "CREATE TABLE t (id int, name text, js jsonb); INSERT INTO t VALUES " \
       "(1, 'a', '{}'), (2, 'b', '{\"a\": 1}')"
COUNT = "SELECT count(*) FROM t"


def delete(field, operator, value):
    return {"id": "row", "type": "POSTGRESQL", "action": "DELETE", "serviceAccountId": "pg",
            "template": {"table": "t", "condition": [
                {"field": field, "operator": operator, "value": value}]}}


@pytest.mark.parametrize("field, operator, value", [
    ("name", "LIKE", "{text?}%"),
    ("name", "!=", "x{text?}"),
    ("name", "NOT IN", ["x{text?}", "y"]),
    ("js", "!=", {"b": "{text?}"}),
    ("js", "!=", {"b": {"c": ["x{text?}"]}}),
    ("name{text?}", "!=", "x"),
])
@pytest.mark.parametrize("payload", [{}, {"text": None}])
def test_an_optional_value_that_is_absent(run_insert, postgres, field, operator, value, payload):
    answer = run_insert(ROWS, delete(field, operator, value), payload)
    assert answer["responseCode"] == 422
    assert answer["responseMessage"] == "wildcard {text?} in condition: no value"
    assert postgres.run(COUNT, database="test") == [(2,)]


def test_an_optional_value_that_is_there(run_insert, postgres):
    answer = run_insert(ROWS, delete("name", "LIKE", "{text?}%"), {"text": "a"})
    assert answer["responsePayload"]["rowCount"] == 1
    assert postgres.run("SELECT id FROM t", database="test") == [(2,)]


@pytest.mark.parametrize("field", ["id", "name"])
@pytest.mark.parametrize("value", [[[]], [[[], []]], [[], []]])
def test_not_in_nested_lists_without_a_value(run_insert, postgres, field, value):
    """PostgreSQL has one empty array only, and everything differs from all of its elements."""
    answer = run_insert(ROWS, delete(field, "NOT IN", "{value}"), {"value": value})
    assert answer["responseCode"] == 422 and "empty list" in answer["responseMessage"]
    assert postgres.run(COUNT, database="test") == [(2,)]
