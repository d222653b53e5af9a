//! Settings of an account that cannot be meant together: refused when one makes the other impossible, else told.

use std::net::SocketAddr;

use super::reader::{Reading, shown_key};
use super::{Accept, Account, Config, Deliver, Outbind, OverRate, Password};

pub(super) fn check(config: &Config, reading: &Reading<'_>) {
    for account in &config.accounts {
        let path = |key: &str| format!("accounts.{}.{key}", shown_key(&account.name));
        let plain = |password: &Password| matches!(password, Password::Plain(secret) if secret.expose().len() > LONGEST_PASSWORD);
        if account.passwords.iter().any(plain) {
            reading.problem(path("password"), format!("is longer than the {LONGEST_PASSWORD} octets taken in a bind"));
        }
        if let Some(outbind) = &account.outbind {
            check_outbind(account, outbind, &path("outbind"), reading);
        }
        if account.over_rate == OverRate::Delay && account.rate.is_none() {
            reading.warn(path("over_rate"), "has no effect without a rate");
        }
        if let (Some(day), Some(month)) = (account.quota.day, account.quota.month)
            && month < day
        {
            reading.warn(path("quota.day"), format!("is never reached: the month ends it at {month}"));
        }
        let retention = config.store.retention;
        if account.accept == Accept::Store && account.validity > retention {
            let message = format!("nothing is tried for longer than {retention:?}, the store's retention");
            reading.warn(path("validity"), message);
        }
        if account.deliver_as == Deliver::DataSm && !may_receive(account) {
            reading.warn(path("deliver_as"), "has no effect: no bind it allows receives");
        }
    }
}

/// What `pdu::read_bind` takes.
const LONGEST_PASSWORD: usize = 64;

fn check_outbind(account: &Account, outbind: &Outbind, path: &str, reading: &Reading<'_>) {
    if !may_receive(account) {
        reading.problem(path, "is of no use: no bind it allows receives");
    }
    if account.tls_required || account.client_certificate.is_some() {
        reading.problem(path, "cannot be bound on: what we call is called without TLS, which the account must use");
    }
    let called: Option<SocketAddr> = outbind.connect.parse().ok();
    if let (Some(called), Some(networks)) = (called, &account.allow_from)
        && !networks.iter().any(|network| network.contains(called.ip()))
    {
        reading.problem(path, format!("cannot be bound on: allow_from does not name {}", called.ip()));
    }
}

fn may_receive(account: &Account) -> bool {
    account.binds.receiver || account.binds.transceiver
}
