"""Values on their way into PostgreSQL's types."""

import json

import pytest

from actions import ANY, EVENT, insert_into, pg_account


def test_optional_columns_are_left_out(run_insert, postgres):
    """`{path?}` as a whole value is no column when it is absent; nothing left: the defaults."""
    first, second, third = run_insert(
        "CREATE TABLE t (value text DEFAULT 'default', number int DEFAULT 7)",
        insert_into(payload={"value": "{value?}", "number": "{number?}"}),
        {"value": "x", "number": 1}, {"number": None}, {"value": None, "number": 5})
    assert all(answer["status"] for answer in (first, second, third))
    assert postgres.run("SELECT value, number FROM t", database="test") == [
        ("x", 1), ("default", 7), ("default", 5)]


def test_values_of_every_type(run_insert, postgres):
    ddl = """CREATE TABLE t (id text, js json, jb jsonb, list text[], ints int[], flag boolean,
             num numeric, n int, at timestamptz, day date, naive timestamp, what text)"""
    answer = run_insert(
        ddl, insert_into(payload={
            "id": "{id}", "js": "{value}", "jb": {"nested": ["{number}", "{text}"], "fixed": 1},
            "list": "{value.list}", "ints": "{value.ints}", "flag": "{value.flag}",
            "num": "{number}", "n": 7, "at": "{when}", "day": "2026-02-03", "what": None}),
        '{"id":"é", "text":"x", "number":1.50, "when":"2026-01-02T03:04:05.5", '
        '"value":{"list":["a,b","c\\"d",null,"{}","NULL",""],"ints":[1,null,3],"flag":false}}')
    assert answer["status"] is True, answer
    row = postgres.run("SELECT id, js::text, jb, list, ints, flag, num::text, n, "
                       "at AT TIME ZONE 'UTC', day::text, what FROM t", database="test")[0]
    assert row[0] == "é" and json.loads(row[1])["ints"] == [1, None, 3]
    assert row[2] == {"nested": [1.5, "x"], "fixed": 1}
    assert row[3] == ["a,b", 'c"d', None, "{}", "NULL", ""] and row[4] == [1, None, 3]
    assert row[5] is False and row[6] == "1.50" and row[7] == 7
    assert str(row[8]) == "2026-01-02 03:04:05.500000"
    assert row[9] == "2026-02-03" and row[10] is None


def test_dates_keep_their_instant(run_insert, postgres):
    """With a zone as it is; without one it is UTC; a date alone stays a date."""
    answers = run_insert("CREATE TABLE t (at timestamptz, as_text text)",
                         insert_into(payload={"at": "{when}"}),
                         {"when": "2026-01-02T03:04:05+02:00"}, {"when": "2026-01-02T03:04:05"},
                         {"when": "2026-01-02"}, {"when": "2026-01-02t03:04:05z"})
    assert all(answer["status"] for answer in answers), answers
    rows = postgres.run("SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') FROM t",
                        database="test")
    assert [row[0] for row in rows] == ["2026-01-02 01:04:05", "2026-01-02 03:04:05",
                                        "2026-01-02 00:00:00", "2026-01-02 03:04:05"]


def test_nul_and_nulls(run_insert, postgres):
    nul, null, absent = run_insert("CREATE TABLE t (id text, value text)",
                                   insert_into(payload={"id": "{text}", "value": "{id}"}),
                                   {"text": "a\x00b", "id": "x"}, {"text": "b", "id": None},
                                   {"text": "c"})
    assert nul["responseCode"] == 422 and "NUL" in nul["responseMessage"]
    assert null["status"] is True and absent["status"] is True
    assert postgres.run("SELECT * FROM t", database="test") == [("b", None), ("c", None)]


# Type of the column, the value as JSON, what the column then holds as text; where the value does not
# fit, a SQLSTATE, or 422 when it is not even sent. A NUL inside of JSON is an escape.
LANDS = [
    # objects, arrays and scalars into JSON; an Any follows the column's type
    ("json", '{"a": 1.50, "b": [null, "\\u00e9"]}', '{"a":1.50,"b":[null,"é"]}'),
    ("jsonb", '{"b": 1.50, "a": 12345678901234567890.10}',
     '{"a": 12345678901234567890.10, "b": 1.50}'),
    ("json", '"text"', '"text"'), ("jsonb", '"{\\"a\\":1}"', '"{\\"a\\":1}"'),
    ("jsonb", "true", "true"), ("jsonb", "1.50", "1.50"), ("jsonb", "[]", "[]"),
    ("json", "[[1, 2], {}]", "[[1,2],{}]"), ("jsonb", "null", None),
    ("jsonb", '"a\\u0000b"', "422"),
    ("jsonb", '{"a": ["\\u0000"]}', "22P05"), ("json", '{"a": ["\\u0000"]}', '{"a":["\\u0000"]}'),
    ("jsonb", "1e400", "1" + "0" * 400),
    # into text
    ("text", '{"a": 1.50}', '{"a":1.50}'), ("text", "[1, null]", "[1,null]"),
    ("text", "1.50", "1.50"), ("text", "true", "true"), ("text", '""', ""),
    ("text", '"\\\\x00ff"', "\\x00ff"), ("text", '"NULL"', "NULL"), ("varchar(3)", '"abcd"', "22001"),
    # arrays
    ("int[]", "[1, null, -3]", "{1,NULL,-3}"), ("int[]", "[]", "{}"),
    ("int[]", "[[1, 2], [3, 4]]", "{{1,2},{3,4}}"), ("int[]", '["1", "2"]', "{1,2}"),
    ("int[]", '["x"]', "22P02"), ("int[]", "[1.5]", "22P02"), ("int[]", "5", "22P02"),
    ("int[]", "null", None), ("int[]", "[[1, 2], [3]]", "422"),
    ("int[]", "[[], []]", "{}"), ("numeric[]", "[[[]], [[]]]", "{}"), ("int[]", "[[], [1]]", "422"),
    ("numeric[]", "[null, [1]]", "422"), ("int[]", "[[1], [null]]", "{{1},{NULL}}"),
    ("text[]", "{}", "422"), ("jsonb[]", "{}", "422"), ("text[]", '{"a": 1}', "22P02"),
    ("jsonb", "{}", "{}"), ("text", "{}", "{}"),
    ("text[]", '["a,b", "c\\"d", "{e}", "NULL", null, "", " f ", "g\\\\h", "\\n"]',
     '{"a,b","c\\"d","{e}","NULL",NULL,""," f ","g\\\\h","\n"}'),
    ("text[]", '[true, 1.50, {"a": "b"}]', '{true,1.50,"{\\"a\\":\\"b\\"}"}'),
    ("numeric[]", "[1.50, 1e3, 12345678901234567890.10]", "{1.50,1000,12345678901234567890.10}"),
    ("boolean[]", "[true, false, null]", "{t,f,NULL}"),
    ("jsonb[]", '[{"a": 1}, [1, 2], "x", 5, null]',
     '{"{\\"a\\": 1}","[1, 2]","\\"x\\"",5,NULL}'),
    ("uuid[]", '["0193572e-0000-7000-8000-000000000000"]',
     "{0193572e-0000-7000-8000-000000000000}"),
    # numbers and booleans
    ("numeric", "1e400", "1" + "0" * 400), ("numeric", "-0", "0"), ("numeric", "1.10e-3", "0.00110"),
    ("numeric(4,2)", "100", "22003"), ("float8", "1e400", "22003"), ("float8", "0.1", "0.1"),
    ("int", "2147483648", "22003"), ("int", "1.0", "22P02"), ("int", "1e3", "22P02"),
    ("int", '"42"', "42"), ("bigint", "9223372036854775807", "9223372036854775807"),
    ("int", "true", "22P02"), ("boolean", "true", "true"), ("boolean", "false", "false"),
    ("boolean", '"yes"', "true"), ("boolean", "1", "true"), ("boolean", "2", "22P02"),
    # bytes, and types with a form of their own
    ("bytea", '"\\\\x00fF"', "\\x00ff"), ("bytea", '"plain"', "\\x706c61696e"),
    ("bytea", '"\\\\xzz"', "22023"), ("inet", '"10.0.0.1/8"', "10.0.0.1/8"),
    ("int4range", '"[1,5)"', "[1,5)"), ("point", '"(1,2)"', "(1,2)"), ("interval", '"1 day"', "1 day"),
    ("color", '"red"', "red"), ("color", '"no color"', "22P02"), ("color[]", '["red"]', "{red}"),
    ("small", "5", "5"), ("small", "50", "23514"),
]


def test_how_values_land(project, start, postgres):
    """One column each, of an event's Any."""
    postgres.run("CREATE TYPE color AS ENUM ('red'); "
                 "CREATE DOMAIN small AS int CHECK (VALUE < 10)", database="test")
    columns = [f"v{number} {row[0]}" for number, row in enumerate(LANDS)]
    postgres.run(f"CREATE TABLE t ({', '.join(columns)})", database="test")
    pg_account(project, postgres)
    for number in range(len(LANDS)):
        project.event(f"value.v{number}", [insert_into(payload={f"v{number}": "{value}"})], ANY)
    daemon = start(project)
    failures = []
    for number, (kind, value, expected) in enumerate(LANDS):
        answer = daemon.post(f"value.v{number}", raw=f'{{"value":{value}}}').response("row")
        if answer["status"]:
            got = postgres.run(f"DELETE FROM t RETURNING v{number}::text", database="test")[0][0]
        else:
            got = answer.get("responseDetail", str(answer["responseCode"]))
        if got != expected:
            failures.append(f"{value} into {kind}: {got!r}, not {expected!r}")
    assert not failures, "\n".join(failures)


@pytest.mark.parametrize("prepare", [True, False])
def test_an_object_is_no_array(project, start, postgres, prepare):
    """Neither one that the model knows nor one written out, though {} reads as an empty array."""
    postgres.run("CREATE TABLE t (v text[], j jsonb)", database="test")
    pg_account(project, postgres, prepare=prepare)
    project.event("object.model", [insert_into(payload={"v": "{o}"})], {"o": {"a": "String"}})
    project.event("object.written", [insert_into(payload={"v": {"a": "{id?}"}})], ANY)
    project.event("object.json", [insert_into(payload={"j": {"a": "{id?}"}})], ANY)
    daemon = start(project)
    for event, payload in (("object.model", {"o": {}}), ("object.written", {})):
        answer = daemon.post(event, payload).response("row")
        assert answer["responseCode"] == 422 and "$1 is an object" in answer["responseMessage"]
    assert daemon.post("object.json", {}).response("row")["status"] is True
    assert postgres.run("SELECT v, j FROM t", database="test") == [(None, {})]


def test_a_string_into_json_must_be_json(run_insert, postgres):
    """A String of the model goes as it is, unlike an Any."""
    good, bad = run_insert("CREATE TABLE t (v jsonb)", insert_into(payload={"v": "{text}"}),
                           {"text": '{"a": [1]}'}, {"text": "word"})
    assert good["status"] is True and bad["responseDetail"] == "22P02"
    assert postgres.run("SELECT v FROM t", database="test") == [({"a": [1]},)]


# The type of the column, what `when` is, and what arrives; the server's own zone is far from UTC.
MOMENTS = [
    ("timestamptz", "2026-01-02T03:04:05", "2026-01-02 03:04:05+00"),
    ("timestamptz", "2026-01-02T03:04:05.123456", "2026-01-02 03:04:05.123456+00"),
    ("timestamptz", "2026-01-02T03:04:05-05:30", "2026-01-02 08:34:05+00"),
    ("timestamptz", "2026-01-02t03:04:05z", "2026-01-02 03:04:05+00"),
    ("timestamptz", "2026-01-02", "2026-01-02 00:00:00+00"),
    ("timestamp", "2026-01-02T03:04:05", "2026-01-02 03:04:05"),
    ("date", "2026-01-02", "2026-01-02"), ("date", "2026-01-02T23:59:59", "2026-01-02"),
    ("text", "2026-01-02T03:04:05", "2026-01-02T03:04:05Z"), ("text", "2026-01-02", "2026-01-02"),
    ("timestamptz[]", "2026-01-02T03:04:05", '{"2026-01-02 03:04:05+00"}'),
]


def test_dates_of_every_form(project, start, postgres):
    postgres.run("ALTER DATABASE test SET timezone = 'Asia/Tokyo'")
    columns = [f"v{number} {row[0]}" for number, row in enumerate(MOMENTS)]
    postgres.run(f"CREATE TABLE t ({', '.join(columns)})", database="test")
    pg_account(project, postgres)
    for number, (kind, _, _) in enumerate(MOMENTS):
        name = "whens" if kind.endswith("[]") else "when"
        project.event(f"date.v{number}", [insert_into(payload={f"v{number}": f"{{{name}}}"})],
                      {"when": "Date", "whens": ["Date"]})
    daemon = start(project)
    failures = []
    for number, (kind, value, expected) in enumerate(MOMENTS):
        payload = {"whens": [value]} if kind.endswith("[]") else {"when": value}
        answer = daemon.post(f"date.v{number}", payload).response("row")
        rows = postgres.run(f"SET timezone = 'UTC'; DELETE FROM t RETURNING v{number}::text",
                            database="test")
        if not answer["status"] or rows != [(expected,)]:
            failures.append(f"{value} into {kind}: {rows} {answer}")
    assert not failures, "\n".join(failures)


@pytest.mark.parametrize("payload", [
    {"text": "a\0b"}, {"text": "\0"}, {"text": "", "list": ["a", "b\0"]}, {"text": "", "name": "t\0"},
])
def test_a_nul_character_is_sent_nowhere(project, start, postgres, payload):
    """422, and the sequence, which each INSERT that reaches the server would move, stands still."""
    postgres.run("CREATE TABLE t (n serial, v text, l text[])", database="test")
    pg_account(project, postgres)
    project.event(EVENT, [insert_into("{name|t}", payload={"v": "<{text}>", "l": "{list?}"})],
                  {"text": "String", "name": "String", "list": ["String"]})
    daemon = start(project)
    answer = daemon.post(EVENT, payload).response("row")
    assert answer["responseCode"] == 422 and "NUL" in answer["responseMessage"], answer
    assert daemon.post(EVENT, {"text": "x"}).response("row")["status"] is True
    assert postgres.run("SELECT * FROM t", database="test") == [(1, "<x>", None)]


def test_only_defaults(run_insert, postgres):
    """With no column left the row is made of its defaults; what follows the values still holds."""
    one, two, again = run_insert(
        "CREATE TABLE t (id text UNIQUE DEFAULT 'only', n serial)",
        insert_into(payload={"id": "{id?}"}, returning=["id", "n"],
                    onConflict={"columns": ["id"], "do": "nothing"}),
        {}, {"id": "a"}, {"id": None})
    assert one["responsePayload"]["rows"] == [{"id": "only", "n": 1}], one
    assert two["responsePayload"]["rows"] == [{"id": "a", "n": 2}]
    assert again["responsePayload"] == {"command": "INSERT", "rowCount": 0, "rows": []}


def test_many_sets_of_columns(run_insert, postgres):
    """Each set of optional columns that is there is a statement of its own."""
    names = [f"c{number}" for number in range(6)]
    payloads = [{"value": {name: str(bits) for bit, name in enumerate(names) if bits >> bit & 1}}
                for bits in range(64)]
    answers = run_insert(
        f"CREATE TABLE t ({', '.join(f'{name} int DEFAULT -1' for name in names)})",
        insert_into(payload={name: f"{{value.{name}?}}" for name in names}), *payloads)
    assert all(answer["status"] for answer in answers)
    expected = sorted(tuple(bits if bits >> bit & 1 else -1 for bit in range(6))
                      for bits in range(64))
    assert sorted(postgres.run("SELECT * FROM t", database="test")) == expected


# ---- names through wildcards -------------------------------------------------------------------

@pytest.mark.parametrize("template, text, found", [
    ({"table": "{text}"}, "Or der", '"Or der"'), ({"table": "s.{text}"}, "a.b", 's."a.b"'),
    ({"table": "t_{text}_x"}, "1", "t_1_x"), ({"table": "{text}.t"}, "s", "s.t"),
    ({"table": "t", "schema": "{text}"}, "s", "s.t"), ({"table": "{text}"}, 's"."t', '"s"".""t"'),
    ({"table": "{text}"}, "select", '"select"'), ({"table": "{text|t}"}, None, "t"),
])
def test_tables_through_wildcards(run_insert, postgres, template, text, found):
    """A value is one identifier or a part of one, whatever stands in it."""
    ddl = "CREATE SCHEMA s; CREATE TABLE t (id text); CREATE TABLE s.t (id text)"
    if found not in ("t", "s.t"):
        ddl += f"; CREATE TABLE {found} (id text)"
    answer = run_insert(ddl, insert_into(**template), {"id": "x", "text": text})
    assert answer["status"] is True, answer
    assert postgres.run(f"SELECT id FROM {found}", database="test") == [("x",)]


def test_a_name_that_is_too_long_is_not_cut(run_insert, postgres):
    """PostgreSQL would cut it to 63 bytes, and so reach another table."""
    fits, too_long, bytes_count = run_insert(
        f"CREATE TABLE {'x' * 63} (id text); CREATE TABLE \"{'é' * 31}\" (id text)",
        insert_into("{text}"), {"id": "a", "text": "x" * 63}, {"id": "b", "text": "x" * 64},
        {"id": "c", "text": "é" * 32})
    assert fits["status"] is True
    assert too_long["responseCode"] == bytes_count["responseCode"] == 422, (too_long, bytes_count)
    assert postgres.run(f"SELECT id FROM {'x' * 63}", database="test") == [("a",)]
    assert postgres.run(f"SELECT id FROM \"{'é' * 31}\"", database="test") == []
