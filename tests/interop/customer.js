// A customer written with npm smpp: submits with receipts asked for, one of them in two parts, and tells what came back as JSON.
//
// Usage: customer.js HOST PORT SYSTEM_ID PASSWORD transceiver|split COUNT
'use strict';

const smpp = require('smpp');

const [host, port, system_id, password, mode, count] = process.argv.slice(2);
const told = [];
const receipts = [];
const statuses = new Set();
let expected = 0;
const sessions = [];

setTimeout(() => fail('nothing more came'), 20000).unref();

function fail(why) {
  console.error(why);
  process.exit(1);
}

function bind(command) {
  return new Promise((resolve) => {
    const session = smpp.connect({ url: `smpp://${host}:${port}` }, () => {
      session[command]({ system_id, password }, (pdu) => {
        if (pdu.command_status !== 0) fail(`${command}: ${pdu.command_status}`);
        resolve(session);
      });
    });
    session.on('error', (error) => fail(error.message));
    session.on('deliver_sm', (pdu) => {
      session.send(pdu.response());
      receipts.push(/id:(\S+)/.exec(pdu.short_message.message)[1]);
      finish();
    });
    sessions.push(session);
  });
}

function submit(session, fields) {
  expected += 1;
  session.submit_sm(
    { source_addr: 'ACME', destination_addr: '4915100000001', registered_delivery: 1, ...fields },
    (pdu) => {
      statuses.add(pdu.command_status);
      told.push(pdu.message_id);
      finish();
    },
  );
}

let ended = 0;

function finish() {
  if (told.length < expected || receipts.length < expected) return;
  for (const session of sessions) {
    session.unbind(() => {
      session.close();
      ended += 1;
      if (ended === sessions.length) {
        console.log(JSON.stringify({ expected, told, receipts, statuses: [...statuses] }));
        process.exit(0);
      }
    });
  }
}

(async () => {
  const split = mode === 'split';
  if (split) await bind('bind_receiver');
  const sender = await bind(split ? 'bind_transmitter' : 'bind_transceiver');
  for (let at = 0; at < Number(count); at += 1) submit(sender, { short_message: `message ${at}` });
  submit(sender, { short_message: 'Ünïcödé ☂' });
  submit(sender, { message_payload: 'x'.repeat(400) });
  for (const part of [1, 2]) {
    const udh = Buffer.from([0x05, 0x00, 0x03, 0xaa, 0x02, part]);
    submit(sender, { esm_class: 0x40, short_message: { udh, message: `part ${part}` } });
  }
})();
