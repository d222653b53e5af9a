"""A customer written with PyPI smpplib: submits with receipts asked for, one of them long, and tells what came back as JSON.

Usage: customer.py HOST PORT SYSTEM_ID PASSWORD transceiver|split COUNT
"""

import json
import re
import sys
import time

import smpplib.client
import smpplib.consts
import smpplib.gsm

HOST, PORT, SYSTEM_ID, PASSWORD, MODE, COUNT = sys.argv[1:7]
LONG = "A long message is split by the library, with a header of its own in front of each part. " * 4

told, receipts, statuses = [], [], []


def answered(pdu):
    statuses.append(pdu.status)
    told.append(pdu.message_id.decode())


def received(pdu):
    text = pdu.short_message or b""
    receipts.append(re.search(rb"id:(\S+)", text).group(1).decode())
    return smpplib.consts.SMPP_ESME_ROK


def client(bind):
    made = smpplib.client.Client(HOST, int(PORT), timeout=10, allow_unknown_opt_params=True)
    made.set_message_sent_handler(answered)
    made.set_message_received_handler(received)
    made.connect()
    getattr(made, bind)(system_id=SYSTEM_ID, password=PASSWORD)
    return made


def submit(sender, part=None, esm_class=0, coding=0):
    sender.send_message(
        source_addr_ton=smpplib.consts.SMPP_TON_ALNUM,
        source_addr="ACME",
        dest_addr_ton=smpplib.consts.SMPP_TON_INTL,
        destination_addr="4915100000001",
        short_message=part,
        data_coding=coding,
        esm_class=esm_class,
        registered_delivery=True,
    )


if MODE == "transceiver":
    sender = receiver = client("bind_transceiver")
else:
    receiver, sender = client("bind_receiver"), client("bind_transmitter")
expected = 0
for text in ["short"] * int(COUNT) + [LONG]:
    parts, coding, esm_class = smpplib.gsm.make_parts(text)
    for part in parts:
        submit(sender, part, esm_class, coding)
        expected += 1
give_up = time.monotonic() + 20
while len(told) < expected and time.monotonic() < give_up:
    sender.read_once()
while len(receipts) < expected and time.monotonic() < give_up:
    receiver.read_once()
for bound in {sender, receiver}:
    bound.unbind()
    bound.disconnect()
print(json.dumps({"expected": expected, "told": told, "receipts": receipts, "statuses": sorted(set(statuses))}))
