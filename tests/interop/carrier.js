// A carrier written with npm smpp: prints its port, answers every submit, and sends a receipt for each that asks for one.
'use strict';

const smpp = require('smpp');

let next = 0;

const server = smpp.createServer((session) => {
  session.on('error', () => {});
  for (const command of ['bind_transceiver', 'bind_receiver', 'bind_transmitter']) {
    session.on(command, (pdu) => session.send(pdu.response({ system_id: 'npm-smpp' })));
  }
  session.on('enquire_link', (pdu) => session.send(pdu.response()));
  session.on('unbind', (pdu) => {
    session.send(pdu.response());
    session.close();
  });
  session.on('submit_sm', (pdu) => {
    next += 1;
    const message_id = next.toString(16).padStart(10, '0');
    session.send(pdu.response({ message_id }));
    if ((pdu.registered_delivery & 1) === 0) return;
    session.deliver_sm({
      source_addr: pdu.destination_addr,
      destination_addr: pdu.source_addr,
      esm_class: 4,
      receipted_message_id: message_id,
      message_state: 2,
      short_message:
        `id:${message_id} sub:001 dlvrd:001 submit date:2601011200 done date:2601011201 stat:DELIVRD err:000 text:`,
    });
  });
});

server.listen(0, '127.0.0.1', () => console.log(server.address().port));
