// Reads submit_sm with npm's smpp: a PDU in hex a line, and as JSON what it says of each.
'use strict';

const smpp = require('smpp');

const lines = require('fs').readFileSync(0, 'ascii').trim().split('\n');
const read = lines.map((line) => {
  const pdu = smpp.PDU.fromBuffer(Buffer.from(line, 'hex'));
  const { udh, message } = pdu.short_message;
  return {
    command: pdu.command,
    esm_class: pdu.esm_class,
    data_coding: pdu.data_coding,
    udh: (udh || []).map((element) => element.toString('hex')),
    text: message,
  };
});
console.log(JSON.stringify(read));
