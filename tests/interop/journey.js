// What a new customer does with npm smpp, told as JSON: a wrong password, a bind, submits short and long with receipts, MO, a query of
// an id nobody knows, an enquire_link, a goodbye, and all is well when it comes back.
//
// Usage: journey.js HOST PORT SYSTEM_ID PASSWORD COUNT
'use strict';

const smpp = require('smpp');

const [host, port, system_id, password, count] = process.argv.slice(2);
const told = [];
const receipts = [];
const statuses = new Set();
let mo = 0;

setTimeout(() => {
  console.error(`nothing more came: ${told.length} told, ${receipts.length} receipts, ${mo} MO`);
  process.exit(1);
}, 20000).unref();

function connect() {
  return new Promise((resolve) => {
    const session = smpp.connect({ url: `smpp://${host}:${port}` }, () => resolve(session));
    session.on('error', () => {});
    session.on('enquire_link', (pdu) => session.send(pdu.response()));
    session.on('deliver_sm', (pdu) => {
      session.send(pdu.response());
      if (pdu.esm_class & 4) receipts.push(/id:(\S+)/.exec(pdu.short_message.message)[1]);
      else mo += 1;
    });
  });
}

const ask = (session, command, fields) => new Promise((resolve) => session[command](fields, resolve));
const closed = (session) => new Promise((resolve) => session.on('close', resolve));

async function until(isDone) {
  while (!isDone()) await new Promise((resolve) => setTimeout(resolve, 10));
}

async function submit(session, fields) {
  const all = { source_addr: 'ACME', destination_addr: '4915100000001', registered_delivery: 1, ...fields };
  const pdu = await ask(session, 'submit_sm', all);
  statuses.add(pdu.command_status);
  told.push(pdu.message_id);
}

(async () => {
  let session = await connect();
  const gone = closed(session);
  const wrong = (await ask(session, 'bind_transceiver', { system_id, password: `not ${password}` })).command_status;
  await gone;
  session = await connect();
  await ask(session, 'bind_transceiver', { system_id, password });
  const messages = Array.from({ length: Number(count) }, (_, at) => ({ short_message: `message ${at}` }));
  messages.push({ short_message: 'Ünïcödé ☂' }, { message_payload: 'x'.repeat(400) });
  for (const part of [1, 2]) {
    const udh = Buffer.from([0x05, 0x00, 0x03, 0xaa, 0x02, part]);
    messages.push({ esm_class: 0x40, short_message: { udh, message: `part ${part}` } });
  }
  await Promise.all(messages.map((message) => submit(session, message)));
  await until(() => receipts.length === told.length && mo > 0);
  const query = (await ask(session, 'query_sm', { message_id: '0123456789abcdef', source_addr: 'ACME' })).command_status;
  await ask(session, 'enquire_link', {});
  await ask(session, 'unbind', {});
  session.close();
  session = await connect();
  await ask(session, 'bind_transceiver', { system_id, password });
  await submit(session, { short_message: 'again' });
  await until(() => receipts.length === told.length);
  await ask(session, 'unbind', {});
  const expected = messages.length + 1;
  console.log(JSON.stringify({ wrong_password: wrong, expected, told, receipts, statuses: [...statuses], mo, query }));
  process.exit(0);
})();
