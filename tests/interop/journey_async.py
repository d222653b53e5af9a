"""What a new customer does with PyPI aiosmpplib, told as JSON. The library has no query_sm, and asks with enquire_link by itself.

Usage: journey_async.py HOST PORT SYSTEM_ID PASSWORD COUNT
"""

import asyncio
import json
import sys

from aiosmpplib import ESME, PhoneNumber, SubmitSm
from aiosmpplib.hook import AbstractHook
from aiosmpplib.protocol import DeliverSm, EnquireLinkResp, SubmitSmResp
from aiosmpplib.state import TON, SmppError

HOST, PORT, SYSTEM_ID, PASSWORD, COUNT = sys.argv[1:6]

told, receipts, statuses, mo, asked, errors, bind_status = [], [], [], [], [], [], []


class Hook(AbstractHook):
    async def sending(self, smpp_message, pdu, client_id):
        pass

    async def received(self, smpp_message, pdu, client_id):
        # Its parts are told of as one; what came over the wire is in `pdu`.
        command = int.from_bytes(pdu[4:8], "big")
        if command == 0x80000009:
            bind_status.append(int.from_bytes(pdu[8:12], "big"))
        elif command == 0x80000004:
            statuses.append(int.from_bytes(pdu[8:12], "big"))
            told.append(pdu[16:-1].decode())
        elif isinstance(smpp_message, DeliverSm) and smpp_message.is_receipt():
            receipts.append(smpp_message.parse_receipt()["id"])
        elif isinstance(smpp_message, DeliverSm):
            mo.append(smpp_message.short_message)
        elif isinstance(smpp_message, EnquireLinkResp):
            asked.append(1)

    async def send_error(self, smpp_message, error, client_id):
        errors.append(repr(error))


def esme(password):
    return ESME(HOST, int(PORT), SYSTEM_ID, password, hook=Hook(), enquire_link_interval=0.02, log_level="CRITICAL")


async def until(is_done):
    for _ in range(400):
        if is_done() or errors:
            return
        await asyncio.sleep(0.05)


async def run(texts):
    session = esme(PASSWORD)
    for at, (text, fields) in enumerate(texts):
        message = SubmitSm(
            short_message=text,
            source=PhoneNumber("ACME", ton=TON.ALPHANUMERIC),
            destination=PhoneNumber("4915100000001", ton=TON.INTERNATIONAL),
            log_id=f"{len(told)}-{at}",
            **fields,
        )
        await session.broker.enqueue(message)
    task = asyncio.create_task(session.start())
    before = len(told)
    await until(lambda: len(told) >= before + len(texts) and len(receipts) == len(told) and mo)
    return session, task


async def main():
    try:
        await esme("wrong").connect()
        wrong = 0
    except (SmppError, ValueError):
        # It looks for a system_id in the refusal, which by the specification has no body (SMPP 3.4, section 4.1.2).
        wrong = bind_status[0]
    # As message_payload, and in parts with TLVs, which the library does by itself.
    texts = [(f"message {at}", {}) for at in range(int(COUNT))] + [("a long one " * 40, {})]
    session, task = await run(texts)
    await until(lambda: asked)
    await session.stop()
    await task
    session, task = await run([("again", {})])
    await session.stop()
    await task
    print(
        json.dumps(
            {
                "wrong_password": wrong,
                "expected": len(texts) + 1,
                "told": told,
                "receipts": receipts,
                "statuses": sorted(set(statuses)),
                "mo": len(mo),
                "query": None,
                "errors": errors,
            }
        )
    )


asyncio.run(main())
