"""What a new customer does with PyPI smpplib, told as JSON: a wrong password, a bind, submits short and long with receipts, MO, a query
of an id nobody knows, an enquire_link, a goodbye, and all is well when it comes back.

Usage: journey.py HOST PORT SYSTEM_ID PASSWORD COUNT
"""

import json
import re
import sys
import time

import smpplib.client
import smpplib.consts
import smpplib.exceptions
import smpplib.gsm
import smpplib.smpp

HOST, PORT, SYSTEM_ID, PASSWORD, COUNT = sys.argv[1:6]

told, receipts, statuses, mo, answered = [], [], [], [], []


def received(pdu):
    text = pdu.short_message or b""
    if pdu.esm_class & 4:
        receipts.append(re.search(rb"id:(\S+)", text).group(1).decode())
    else:
        mo.append(text.decode("latin-1"))
    return smpplib.consts.SMPP_ESME_ROK


def sent(pdu):
    statuses.append(pdu.status)
    told.append(pdu.message_id.decode())


def bound(password):
    made = smpplib.client.Client(HOST, int(PORT), timeout=10, allow_unknown_opt_params=True)
    made.set_message_sent_handler(sent)
    made.set_message_received_handler(received)
    # A refused query is told to nobody else.
    made.set_error_pdu_handler(lambda pdu: answered.append((pdu.command, pdu.status)))
    made.connect()
    made.bind_transceiver(system_id=SYSTEM_ID, password=password)
    return made


def submit(session, text):
    parts, coding, esm_class = smpplib.gsm.make_parts(text)
    for part in parts:
        session.send_message(
            source_addr_ton=smpplib.consts.SMPP_TON_ALNUM,
            source_addr="ACME",
            dest_addr_ton=smpplib.consts.SMPP_TON_INTL,
            destination_addr="4915100000001",
            short_message=part,
            data_coding=coding,
            esm_class=esm_class,
            registered_delivery=True,
        )
    return len(parts)


def read_until(session, is_done):
    give_up = time.monotonic() + 20
    while not is_done() and time.monotonic() < give_up:
        session.read_once()


try:
    bound("wrong")
    wrong = 0
except smpplib.exceptions.PDUError as error:
    wrong = error.args[1]
session = bound(PASSWORD)
expected = sum(submit(session, text) for text in ["short"] * int(COUNT) + ["a long one " * 40, "Ünïcödé ☂ " * 20])
read_until(session, lambda: len(told) == expected and len(receipts) == expected and mo)
session.query_message(message_id="0123456789abcdef", source_addr_ton=5, source_addr_npi=0, source_addr="ACME")
read_until(session, lambda: answered)
session.send_pdu(smpplib.smpp.make_pdu("enquire_link", client=session))
session.read_once()
session.unbind()
session.disconnect()
session = bound(PASSWORD)
expected += submit(session, "again")
read_until(session, lambda: len(told) == expected and len(receipts) == expected)
session.unbind()
session.disconnect()
print(
    json.dumps(
        {
            "wrong_password": wrong,
            "expected": expected,
            "told": told,
            "receipts": receipts,
            "statuses": sorted(set(statuses)),
            "mo": len(mo),
            "query": answered[0][1] if answered else None,
        }
    )
)
