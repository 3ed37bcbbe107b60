"""Actions, accounts and tables that several test files use."""

from harness import log_action

EVENT = "service.event"
MODEL = {"id": "String!", "name": "String", "amount": "Number"}
ANY = {"id": "String", "value": "Any", "text": "String", "when": "Date", "number": "Number"}
TABLE = "CREATE TABLE customers (id text PRIMARY KEY, name text, amount numeric)"

# A table whose rows take as many seconds as their id says.
SLEEP = """CREATE TABLE t (id text);
CREATE FUNCTION sleep() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_sleep(NEW.id::float); RETURN NEW; END $$;
CREATE TRIGGER sleep BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION sleep()"""


def insert_into(table="t", payload=None, ident="row", account="pg", **template):
    options = {name: template.pop(name) for name in ("timeout", "async") if name in template}
    return {"id": ident, "type": "POSTGRESQL", "action": "INSERT", "serviceAccountId": account,
            **options,
            "template": {"table": table, "payload": payload or {"id": "{id?}"}, **template}}


def insert(ident="row", account="pg", **payload):
    """An INSERT of a customer of MODEL into TABLE."""
    return insert_into("customers", payload or {"id": "{id}", "name": "{name}",
                                                "amount": "{amount}"}, ident, account)


def set_key(ident="key", account="redis", **template):
    return {"id": ident, "type": "REDIS", "action": "SET", "serviceAccountId": account,
            "template": template or {"key": "customer:{id}", "stringify": True,
                                     "value": "{$payload}"}}


def redis_act(action, ident="do", options=None, **template):
    return {"id": ident, "type": "REDIS", "action": action, "serviceAccountId": "redis",
            **(options or {}), "template": template}


def redis_command(*args, ident="do", **options):
    return redis_act("COMMAND", ident, options, args=list(args))


def pg_account(project, postgres, port=None, **keys):
    project.account("pg", "POSTGRESQL", test={"url": postgres.url("test", port), **keys},
                    live={"url": postgres.url("live", port), **keys})


def redis_account(project, redis_, port=None, **keys):
    project.account("redis", "REDIS", test={"url": redis_.url(0, port), **keys},
                    live={"url": redis_.url(1, port), **keys})


def two_accounts(project, postgres, redis_, redis_port=None, pool=None):
    pool = {"pool": pool} if pool else {}
    pg_account(project, postgres, **pool)
    redis_account(project, redis_, redis_port, **pool)


def slow_table(postgres, seconds):
    """TABLE in the test database, where a row takes so many seconds."""
    postgres.run(f"""{TABLE};
        CREATE FUNCTION take_time() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_sleep({seconds}); RETURN NEW; END $$;
        CREATE TRIGGER slow BEFORE INSERT ON customers FOR EACH ROW
        EXECUTE FUNCTION take_time();""", database="test")


def sleeping(postgres, count=1):
    """Whether so many INSERTs are at work."""
    return postgres.run("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'INSERT%' AND "
                        "state = 'active'")[0][0] >= count


def big_event(project, filters=5):
    """customer.big: its reply has 60 KB for each filter, whose long condition is told back."""
    condition = " OR ".join(["id = '%s'" % ("x" * 990)] * 60 + ["id IS NOT NULL"])
    project.event("customer.big", [{"id": f"filter{n}", "condition": condition,
                                    "actions": [log_action()]} for n in range(filters)],
                  {"id": "String!"})
