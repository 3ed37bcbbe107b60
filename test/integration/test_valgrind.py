"""10,000 events under valgrind, a drain, and nothing lost."""

import os
import re
import socket

import pytest

from actions import MODEL, TABLE, insert, set_key, two_accounts
from harness import SANITIZED, TOP, log_action

EVENTS = 10000
PIPELINE = 50


def send_pipelined(daemon, first, count):
    """Sends `count` events on one connection, PIPELINE at a time; how many were answered 201."""
    key, secret = daemon.project.credentials["test"]
    answered = 0
    with socket.create_connection(("127.0.0.1", daemon.port), 60) as connection:
        connection.settimeout(60)
        for start in range(first, first + count, PIPELINE):
            requests = b""
            for number in range(start, start + PIPELINE):
                body = b'{"id": "c%d", "name": "N\\u00e9stor", "amount": %d.50}' % (number, number)
                requests += (b"POST /event/customer.new HTTP/1.1\r\nHost: x\r\nclient_key: %s\r\n"
                             b"client_secret: %s\r\nContent-Length: %d\r\n\r\n"
                             % (key.encode(), secret.encode(), len(body))) + body
            connection.sendall(requests)
            answer = b""
            while answer.count(b"HTTP/1.1 ") < PIPELINE or not answer.endswith(b"}"):
                piece = connection.recv(1 << 20)
                assert piece, answer[-500:]
                answer += piece
            answered += answer.count(b"HTTP/1.1 201 ")
    return answered


@pytest.mark.skipif(SANITIZED, reason="valgrind and the sanitizers exclude each other")
def test_nothing_is_lost_after_ten_thousand_events(project, postgres, redis_, start):
    postgres.run(TABLE, database="test")
    # Under valgrind a login takes seconds, and more where the machine has other work.
    patient = {"timeout": "2m", "connectTimeout": "2m"}
    two_accounts(project, postgres, redis_, pool=patient)
    project.event("customer.new",
                  [insert(), set_key(), log_action(message="customer {id}")], MODEL)
    report = project.path("valgrind.log")
    daemon = start(project, wrapper=[
        "valgrind", "--leak-check=full", "--show-leak-kinds=all",
        "--errors-for-leak-kinds=all", "--error-exitcode=99",
        f"--log-file={report}",
        f"--suppressions={os.path.join(TOP, 'test', 'valgrind.supp')}"])
    assert daemon.post("customer.new", raw="{").status == 400
    assert daemon.post("customer.new", {"id": 1}).status == 422

    assert send_pipelined(daemon, 0, EVENTS) == EVENTS
    assert postgres.run("SELECT count(*) FROM customers", database="test") == [(EVENTS,)]
    daemon.stop()  # a drain; valgrind's error code would show here

    with open(report, encoding="utf-8") as file:
        text = file.read()
    assert re.search(r"ERROR SUMMARY: 0 errors", text), text
    lost = re.findall(r"(definitely|indirectly|possibly) lost: ([\d,]+) bytes", text)
    assert all(size == "0" for _, size in lost), text
    assert lost or "All heap blocks were freed" in text, text
