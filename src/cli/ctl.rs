//! `trunkline ctl`: what an operator asks a gateway that runs, and orders it, over its admin listener.

mod client;
mod orders;
mod tables;
mod text;

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::Value;

use crate::runtime::serve::{EXIT_CONFIG, EXIT_UNFINISHED, Failure};
use crate::runtime::{config_file, files};
use client::{Client, encoded};
use orders::{MessageArgs, RouteArgs, SendArgs, TraceArgs};
use text::harmless;

#[derive(Args)]
pub(super) struct CtlArgs {
    /// The admin listener
    #[arg(long, global = true, value_name = "ADDRESS", default_value = "127.0.0.1:9090")]
    admin: String,
    /// A file that holds its token; else TRUNKLINE_ADMIN_TOKEN says it, where there is one
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The gateway's configuration, which says both
    #[arg(long, global = true, value_name = "FILE", conflicts_with_all = ["admin", "token_file"])]
    config: Option<PathBuf>,
    /// JSON instead of a table
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Ctl,
}

#[derive(Subcommand)]
enum Ctl {
    /// How the process, its shards, carriers and accounts stand
    Status,
    /// The shards
    Shards,
    /// The accounts, or one of them with its sessions
    Accounts { account: Option<String> },
    /// The sessions of all accounts, or of one
    Sessions { account: Option<String> },
    /// The carriers, or one of them with its links
    Carriers { carrier: Option<String> },
    /// The links of all carriers, or of one
    Links { carrier: Option<String> },
    /// What waits: for carriers, for customers, for callbacks
    Queues,
    /// Stay bound to a carrier and receive, submit nothing
    Pause(LinkArgs),
    /// Submit nothing to a carrier, receive what is outstanding, then unbind
    Drain {
        #[command(flatten)]
        of: LinkArgs,
        /// At most for this long, as 10m
        #[arg(long, value_name = "TIME")]
        within: Option<String>,
    },
    /// Bind to a carrier and submit again, at once
    Resume(LinkArgs),
    /// End an account's sessions, and take neither binds nor submits of it, until it is enabled or the process ends
    Disable { account: String },
    /// Take binds and submits of an account again
    Enable { account: String },
    /// Say goodbye to the sessions of an account, or to one of them
    Unbind { account: String, session: Option<String> },
    /// Forget the receipts and MO that wait for an account
    Purge {
        account: String,
        /// They are lost for the customer
        #[arg(long)]
        yes: bool,
    },
    /// Follow an account for a while: the PDUs of its sessions, and what becomes of its submits
    Trace(TraceArgs),
    /// Which route decides for a message just now, why, and which carriers are tried
    Route(RouteArgs),
    /// Send a test message through one carrier, whatever the routes say
    Send(SendArgs),
    /// Find a message by its message_id, with all that is known of it
    Message(MessageArgs),
    /// Read the configuration file again
    Reload,
}

#[derive(Args)]
struct LinkArgs {
    carrier: String,
    /// One of its links
    #[arg(long, value_name = "NUMBER")]
    link: Option<u16>,
}

pub(super) fn run(args: &CtlArgs) -> Result<(), Failure> {
    let shown = Shown { client: client(args)?, is_json: args.json };
    match &args.command {
        Ctl::Status => shown.get("/status", tables::status),
        Ctl::Shards => shown.get("/status", |status| tables::shards(&status["shards"])),
        Ctl::Accounts { account: None } => shown.get("/accounts", tables::accounts),
        Ctl::Accounts { account: Some(account) } => {
            shown.get(&format!("/accounts/{}", encoded(account)), tables::account)
        }
        Ctl::Sessions { account: None } => shown.get("/sessions", tables::sessions),
        Ctl::Sessions { account: Some(account) } => {
            shown.get(&format!("/accounts/{}/sessions", encoded(account)), tables::sessions)
        }
        Ctl::Carriers { carrier: None } => shown.get("/status", |status| tables::carriers(&status["carriers"])),
        Ctl::Carriers { carrier: Some(carrier) } | Ctl::Links { carrier: Some(carrier) } => {
            shown.get(&format!("/carriers/{}", encoded(carrier)), |one| tables::links(&Value::from(vec![one.clone()])))
        }
        Ctl::Links { carrier: None } => shown.get("/carriers", tables::links),
        Ctl::Queues => shown.get("/status", tables::queues),
        Ctl::Pause(of) => shown.order_links(of, "pause"),
        Ctl::Drain { of, within: None } => shown.order_links(of, "drain"),
        Ctl::Drain { of, within: Some(within) } => shown.order_links(of, &format!("drain?within={}", encoded(within))),
        Ctl::Resume(of) => shown.order_links(of, "resume"),
        Ctl::Disable { account } => shown.order_account(account, "disable"),
        Ctl::Enable { account } => shown.order_account(account, "enable"),
        Ctl::Unbind { account, session: None } => shown.order_account(account, "unbind"),
        Ctl::Unbind { account, session: Some(session) } => {
            shown.order_account(account, &format!("sessions/{}/unbind", encoded(session)))
        }
        Ctl::Purge { yes: false, .. } => {
            Err(failed("what waits would be lost for the customer: say --yes to purge it".to_owned()))
        }
        Ctl::Purge { account, yes: true } => shown.order_account(account, "purge"),
        Ctl::Trace(trace) => orders::trace(&shown, trace),
        Ctl::Route(route) => orders::route(&shown, route),
        Ctl::Send(send) => orders::send(&shown, send),
        Ctl::Message(message) => orders::message(&shown, message),
        Ctl::Reload => shown.post("/reload", tables::reloaded),
    }
}

fn client(args: &CtlArgs) -> Result<Client, Failure> {
    if let Some(file) = &args.config {
        let bad = |problems: Vec<String>| Failure { exit_code: EXIT_CONFIG, message: problems.join("\n") };
        let admin = config_file::read_admin(file).map_err(bad)?;
        let token = admin.token.as_ref().map(|token| String::from_utf8_lossy(token.expose()).into_owned());
        return Ok(Client::new(admin.listen.to_string(), token));
    }
    let token = match &args.token_file {
        Some(file) => {
            let text = files::read_text(file).map_err(|error| failed(format!("{}: {error}", file.display())))?;
            Some(text.trim().to_owned())
        }
        None => std::env::var("TRUNKLINE_ADMIN_TOKEN").ok(),
    };
    Ok(Client::new(args.admin.clone(), token))
}

fn failed(message: String) -> Failure {
    Failure { exit_code: EXIT_UNFINISHED, message }
}

/// What is asked is shown, as JSON or as a table.
struct Shown {
    client: Client,
    is_json: bool,
}

impl Shown {
    fn get(&self, path: &str, table: impl Fn(&Value) -> String) -> Result<(), Failure> {
        self.show(&self.ask("GET", path)?, table);
        Ok(())
    }

    fn post(&self, path: &str, table: impl Fn(&Value) -> String) -> Result<(), Failure> {
        self.show(&self.ask("POST", path)?, table);
        Ok(())
    }

    fn ask(&self, method: &str, path: &str) -> Result<Value, Failure> {
        self.client.ask(method, path).map_err(failed)
    }

    fn order_links(&self, of: &LinkArgs, order: &str) -> Result<(), Failure> {
        let link = of.link.map_or(String::new(), |link| format!("links/{link}/"));
        let path = format!("/carriers/{}/{link}{order}", encoded(&of.carrier));
        self.post(&path, |one| tables::links(&Value::from(vec![one.clone()])))
    }

    fn order_account(&self, account: &str, order: &str) -> Result<(), Failure> {
        self.post(&format!("/accounts/{}/{order}", encoded(account)), tables::ordered)
    }

    /// One of many: JSON is a line as well. Whether somebody reads it.
    fn show_line(&self, value: &Value, line: impl Fn(&Value) -> String) -> bool {
        self.print(if self.is_json { format!("{value}\n") } else { line(&harmless(value)) })
    }

    fn show(&self, value: &Value, table: impl Fn(&Value) -> String) {
        self.print(if self.is_json { format!("{value:#}\n") } else { table(&harmless(value)) });
    }

    /// Whoever reads may stop reading (`| head`): false then.
    fn print(&self, text: String) -> bool {
        let text = if self.is_json { text::escaped_json(&text) } else { text };
        std::io::stdout().write_all(text.as_bytes()).is_ok()
    }
}
