//! What an account's settings let through: senders put in its stead, rates, quotas, caps and floods.

use std::time::Duration;

use trunkline::smpp::command::CommandStatus;
use trunkline::smpp::pdu::BindMode;
use trunkline::smpp::view::SmView;

use super::*;

#[test]
fn receipts_bring_the_sender_the_customer_wrote_and_not_the_one_he_was_given() {
    for (account, profile) in [(", force_sender: Shop", ""), (", force_sender: Shop", ", profile: odd")] {
        let mut sim = gateway(account, profile, ONE);
        (sim.smscs[0].habit.receipt_ms, sim.smscs[0].habit.intermediate) = ((2_000, 3_000), 500);
        let esme = sim.bound("a0", BindMode::Transceiver);
        let tags = sim.submit_many(esme, 20);
        sim.run_for(Duration::from_secs(1));
        assert_eq!(sim.count(esme, &tags, CommandStatus::ROK), 20);
        sim.crash_and_restart(true);
        sim.run_for(Duration::from_secs(10));
        sim.end();
        let told = &sim.esmes[esme].deliveries;
        assert!(told.len() >= 20, "{}", told.len());
        for body in told {
            let receipt = SmView::deliver(body).unwrap_or_else(|status| panic!("{status}"));
            assert_eq!((receipt.destination.ton, receipt.destination.digits), (5, &b"ACME"[..]));
        }
        sim.audit_holdings();
    }
}
