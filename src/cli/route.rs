//! `trunkline route`: which route of a configuration decides for a message, and why.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::read;
use crate::config::{AccountId, Parsed};
use crate::engine::router::{Query, explain, refused_before};
use crate::runtime::serve::Failure;

#[derive(Args)]
pub(super) struct RouteArgs {
    /// The configuration, YAML
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The account that submits
    #[arg(long, value_name = "SYSTEM_ID")]
    account: String,
    /// The destination
    #[arg(long, value_name = "NUMBER")]
    to: String,
    /// The source address; the account's own `force_sender` stands before it
    #[arg(long, value_name = "SENDER", default_value = "")]
    from: String,
    /// The data_coding: 8 or 0x08
    #[arg(long, value_name = "OCTET", default_value = "0", value_parser = octet)]
    data_coding: u8,
}

/// No such account; or no route, so that a script notices.
const EXIT_NO_ACCOUNT: i32 = 2;
const EXIT_NO_ROUTE: i32 = 1;

pub(super) fn run(args: &RouteArgs) -> Result<(), Failure> {
    let Parsed { config, .. } = read(&args.config)?;
    let Some(at) = config.accounts.iter().position(|account| account.name == args.account) else {
        let message = format!("{}: accounts has no {:?}", args.config.display(), args.account);
        return Err(Failure { exit_code: EXIT_NO_ACCOUNT, message });
    };
    let account = &config.accounts[at];
    let source = account.force_sender.as_ref().unwrap_or(&args.from);
    let query = Query {
        account: AccountId(at as u32),
        destination: args.to.as_bytes(),
        source: source.as_bytes(),
        data_coding: args.data_coding,
    };
    let explanation = explain(&config, &query);
    let refused: String = refused_before(&config, &query).iter().map(|why| format!("but {why}\n")).collect();
    let said = explanation.text + &refused;
    // Whoever reads may stop reading (`| head`).
    let _ = std::io::stdout().write_all(said.as_bytes());
    match explanation.route {
        Some(_) => Ok(()),
        None => Err(Failure { exit_code: EXIT_NO_ROUTE, message: "no route".to_owned() }),
    }
}

fn octet(text: &str) -> Result<u8, String> {
    let octet = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u8::from_str_radix(hex, 16),
        None => text.parse(),
    };
    octet.map_err(|_| "must be an octet such as 8 or 0x08".to_owned())
}
