"""Reads texts with PyPI aiosmpplib's codecs: a codec and octets in hex a line, and as JSON the text of each."""

import json
import sys

from aiosmpplib.codec import GSM7BitCodec, GSM7BitPackedCodec, UCS2Codec

CODECS = {"gsm": GSM7BitCodec(), "packed": GSM7BitPackedCodec(), "ucs2": UCS2Codec()}

read = []
for line in sys.stdin.read().splitlines():
    codec, octets = line.split(" ")
    read.append(CODECS[codec].decode(bytes.fromhex(octets))[0])
print(json.dumps(read))
