//! What an operator may do to a store between and under running gateways: remove it, copy it, change what is configured.

use std::fs;
use std::time::Duration;

use trunkline::smpp::command::CommandId;
use trunkline::smpp::pdu::BindMode;

use crate::carrier::{receipt, resp};
use crate::gateway::run;
use crate::peer::{PATIENCE, Pdu, ROK, plain, with_receipt};
use crate::receipts::id_of_receipt;
use crate::world::Scripted;

impl Scripted {
    /// Killed, and started again with its file changed.
    pub fn restart_with(&mut self, change: impl Fn(&str) -> String) {
        self.gateway.signal(9);
        let directory = &self.gateway.directory;
        let yaml = fs::read_to_string(directory.0.join("trunkline.yaml")).unwrap();
        directory.write("trunkline.yaml", &change(&yaml));
        self.gateway.restart();
    }

    /// The carrier's link and the customer again, and the receipt of `carrier_id`, which is of `id`.
    fn brings(&mut self, carrier_id: &str, id: &str) {
        self.links = vec![self.carrier.accept()];
        self.acme = self.gateway.connect();
        assert_eq!(self.acme.bind(BindMode::Transceiver, "acme", "secret").status, ROK);
        self.link().send_pdu(&Pdu::new(CommandId::DELIVER_SM, ROK, 7, &receipt(carrier_id, "DELIVRD")));
        assert_eq!(id_of_receipt(&self.acme.receive()), id);
        self.link().expect_answer(CommandId::DELIVER_SM_RESP, ROK, 7);
    }
}

#[test]
fn a_store_removed_under_a_running_gateway_ends_it_with_74_and_nothing_more_is_acknowledged() {
    for durability in ["fsync", "process"] {
        let mut stage = Scripted::new();
        stage.restart_with(|yaml| yaml.replace("path: store", &format!("path: store, durability: {durability}")));
        stage.links = vec![stage.carrier.accept()];
        stage.acme = stage.gateway.connect();
        assert_eq!(stage.acme.bind(BindMode::Transceiver, "acme", "secret").status, ROK);
        // Its segment is made with the first entry.
        stage.accepted(&with_receipt("kept"), "1");
        fs::remove_dir_all(stage.gateway.directory.0.join("store")).unwrap();
        let (_, submit) = stage.submit(&with_receipt("lost"));
        stage.link().send_pdu(&resp(&submit, "2"));
        assert_eq!(stage.gateway.exit_code(PATIENCE), 74, "{durability}");
        let log = stage.gateway.log();
        assert_eq!(log.lines().filter(|line| line.contains("its newest segment was removed")).count(), 1, "{log}");
        assert!(stage.acme.read().is_none_or(|pdu| pdu.command != CommandId::SUBMIT_SM_RESP), "{durability}");
    }
}

#[test]
fn what_is_of_a_carrier_no_longer_configured_is_named_and_waits_for_it_to_come_back() {
    let mut stage = Scripted::new();
    let id = stage.accepted(&with_receipt("waits"), "11");
    stage.restart_with(|yaml| yaml.replace("  north: {", "  renamed: {").replace("to: north", "to: renamed"));
    let log = stage.gateway.log();
    let warned = log.lines().find(|line| line.contains("not configured")).unwrap_or_else(|| panic!("{log}"));
    assert!(warned.contains("name=\"north\" entries=1") && warned.contains("carrier"), "{warned}");
    stage.links = vec![stage.carrier.accept()];
    stage.link().expect_quiet();
    stage.restart_with(|yaml| yaml.replace("renamed", "north"));
    assert!(!stage.gateway.log().contains("not configured"));
    stage.brings("11", &id);
}

#[test]
fn a_copy_of_a_store_serves_elsewhere_once_the_first_gateway_is_gone() {
    let mut stage = Scripted::new();
    let id = stage.accepted(&with_receipt("copied"), "21");
    let path = |name: &str| stage.gateway.directory.0.join(name);
    fs::create_dir(path("standby")).unwrap();
    for entry in fs::read_dir(path("store")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), path("standby").join(entry.file_name())).unwrap();
    }
    // Beside the one that writes it, a store is looked into, and not repaired.
    let (code, told, _) = run(&["store", "inspect", path("store").to_str().unwrap()]);
    assert!(code == 0 && told.contains("account acme: 1 correlations"), "{code}: {told}");
    let (code, _, refused) = run(&["store", "repair", path("store").to_str().unwrap()]);
    assert!(code == 74 && refused.contains("another running process"), "{code}: {refused}");
    stage.restart_with(|yaml| yaml.replace("path: store", "path: standby"));
    stage.brings("21", &id);
    assert_ne!(stage.accepted(&plain("later"), "22"), id);
    stage.gateway.signal(15);
    assert_eq!(stage.gateway.exit_code(PATIENCE + Duration::from_secs(5)), 0);
}
