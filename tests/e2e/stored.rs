//! Store and forward as a customer and an operator see it: answered while no carrier is there, and sent, or told of, later.

use trunkline::smpp::command::CommandId;
use trunkline::smpp::pdu::BindMode;
use trunkline::smpp::view::SmView;

use crate::carrier::{receipt, resp};
use crate::gateway::run;
use crate::peer::{ROK, with_receipt};
use crate::receipts::id_of_receipt;
use crate::world::Scripted;

#[test]
fn what_is_stored_is_answered_without_a_carrier_and_sent_after_a_kill() {
    let mut stage = Scripted::with("accept: store", "", "");
    // The carrier hangs up, and the next link is not answered.
    stage.links.clear();
    let answer = stage.acme.submit(&with_receipt("kept"));
    assert_eq!(answer.status, ROK);
    stage.gateway.wait_for_metric("trunkline_stored{account=\"acme\"}", |stored| stored == 1.0);
    stage.gateway.signal(9);
    let store = stage.gateway.directory.0.join("store");
    stage.gateway.exit_code(crate::peer::PATIENCE);
    let (code, shown, problem) = run(&["store", "inspect", store.to_str().unwrap()]);
    assert!(
        code == 0 && shown.contains("account acme: 0 correlations, 0 deliveries, 1 stored submits"),
        "{shown}{problem}"
    );
    stage.gateway.restart();
    // The dial of the killed process is still in the listener's queue.
    let link = loop {
        let (mut link, bind) = stage.carrier.accept_unbound();
        link.answer(&bind, ROK, b"smsc\0");
        if let Some(submit) = link.read().filter(|pdu| pdu.command == CommandId::SUBMIT_SM) {
            link.send_pdu(&resp(&submit, "7"));
            break link;
        }
    };
    stage.links = vec![link];
    stage.acme = stage.gateway.connect();
    assert_eq!(stage.acme.bind(BindMode::Transceiver, "acme", "secret").status, ROK);
    stage.link().send_pdu(&crate::peer::Pdu::new(CommandId::DELIVER_SM, ROK, 9, &receipt("7", "DELIVRD")));
    assert_eq!(id_of_receipt(&stage.acme.receive()), answer.id());
    stage.gateway.wait_for_metric("trunkline_stored{account=\"acme\"}", |stored| stored == 0.0);
}

#[test]
fn what_no_carrier_took_in_time_comes_back_as_an_expired_receipt() {
    let mut stage = Scripted::with("accept: store, validity: 1s", "", "");
    stage.links.clear();
    let answer = stage.acme.submit(&with_receipt("too late"));
    assert_eq!(answer.status, ROK);
    let told = stage.acme.receive();
    let text = String::from_utf8_lossy(SmView::deliver(&told.body).unwrap().short_message).into_owned();
    assert_eq!(id_of_receipt(&told), answer.id());
    assert!(text.contains("stat:EXPIRED err:000 text:too late"), "{text}");
}
