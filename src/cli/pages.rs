//! What a package ships beside the program, made of the command line itself: the manual page, and what shells complete.

use std::io::{self, Write};

use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;

#[derive(Args)]
pub(super) struct CompletionsArgs {
    /// Of which shell
    shell: Shell,
}

/// Writes what this shell reads to complete our command line.
pub(super) fn completions(args: &CompletionsArgs, mut command: Command, out: &mut dyn Write) -> io::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "trunkline", &mut script);
    out.write_all(&script)
}

/// What the page says besides the commands.
const REST: &str = r#".SH FILES
.TP
/etc/trunkline/trunkline.yaml
The configuration that trunkline.service serves. It holds secrets: mode 0640, group trunkline.
.TP
/etc/trunkline/environment
Variables of that service, for secrets written as { env: NAME } in the configuration. May be missing.
.TP
/var/lib/trunkline
The store: what was acknowledged and is not done yet. Never delete it while anything in it matters.
.SH SIGNALS
.TP
SIGTERM, SIGINT
Drain: nothing new is taken, what is outstanding is answered and delivered, everybody is told goodbye. It ends within
`drain` of the configuration. A second one ends it at once.
.TP
SIGHUP
Read the configuration again. A file with a problem changes nothing; the log says what changed, or every problem.
.SH EXIT STATUS
.TP
0
Fine.
.TP
1
The work failed: a drain past its deadline, a load with something missing.
.TP
2
Wrong usage.
.TP
70
A fault of the program.
.TP
71
io_uring or a port is not to be had.
.TP
74
The store cannot be used.
.TP
78
Bad configuration.
.SH SEE ALSO
/usr/share/doc/trunkline, https://www.freedesktop.org/software/systemd/man/systemd.socket.html
"#;

/// Writes the manual page, one for all commands. What each takes is left to its `--help`, so that the page seldom changes.
pub(super) fn manual(command: &Command, out: &mut dyn Write) -> io::Result<()> {
    let page = Man::new(command.clone()).section("1").manual("Trunkline").date("");
    page.render_title(out)?;
    page.render_name_section(out)?;
    writeln!(out, ".SH SYNOPSIS\n\\fBtrunkline\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR]\n.SH COMMANDS")?;
    for known in command.get_subcommands().filter(|known| !known.is_hide_set()) {
        entry(known.get_name(), known, out)?;
        for below in known.get_subcommands() {
            entry(&format!("{} {}", known.get_name(), below.get_name()), below, out)?;
        }
    }
    writeln!(out, ".PP\n`trunkline COMMAND \\-\\-help` tells the rest.")?;
    out.write_all(REST.as_bytes())
}

fn entry(name: &str, command: &Command, out: &mut dyn Write) -> io::Result<()> {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    writeln!(out, ".TP\n\\fB{name}\\fR\n{about}.")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn the_manual_page_in_the_repository_is_what_the_command_line_makes() {
        let mut page = Vec::new();
        manual(&Cli::command(), &mut page).unwrap();
        let written = include_str!("../../systemd/trunkline.1");
        assert!(
            written == String::from_utf8(page).unwrap(),
            "systemd/trunkline.1 is another: `just man` writes it anew"
        );
        assert!(written.contains("\\fBserve\\fR\nRun the gateway.\n") && !written.contains("completions"), "{written}");
        assert!(written.contains("\\fBctl reload\\fR\n") && written.contains("\\fBstore inspect\\fR\n"), "{written}");
    }

    #[test]
    fn every_shell_that_is_packaged_completes_every_command() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            completions(&CompletionsArgs { shell }, Cli::command(), &mut script).unwrap();
            let script = String::from_utf8(script).unwrap();
            for known in Cli::command().get_subcommands().filter(|known| !known.is_hide_set()) {
                assert!(script.contains(known.get_name()), "{shell}: {}", known.get_name());
            }
        }
    }
}
