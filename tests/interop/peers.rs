//! The foreign software: fetched once by its own installer into the build's directory, or missing.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Where a test finds its scripts.
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(name)
}

/// A command that runs a Python script with smpplib, or why there is none.
pub fn python() -> Result<Command, String> {
    static READY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    with_package("smpplib", &READY)
}

/// The same with aiosmpplib.
pub fn python_async() -> Result<Command, String> {
    static READY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    with_package("aiosmpplib", &READY)
}

/// A command that runs a Python script with prometheus_client, or why there is none.
pub fn prometheus_client() -> Result<Command, String> {
    static READY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    with_package("prometheus_client", &READY)
}

/// Prometheus' own checker, which is in a Debian package, or why there is none.
pub fn promtool() -> Result<Command, String> {
    static READY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let program = READY.get_or_init(|| {
        if has("promtool").is_ok() {
            return Ok(PathBuf::from("promtool"));
        }
        let target = directory("prometheus");
        let program = target.join("usr/bin/promtool");
        let fetch = "apt-get download --quiet prometheus && dpkg -x prometheus_*.deb . && rm prometheus_*.deb";
        install(&program, Command::new("sh").args(["-c", fetch]).current_dir(&target))?;
        Ok(program)
    });
    program.clone().map(Command::new)
}

/// A command that runs schemathesis, or why there is none.
pub fn schemathesis() -> Result<Command, String> {
    static READY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let mut command = with_package("schemathesis", &READY)?;
    command.args(["-c", "from schemathesis.cli import schemathesis; schemathesis()"]);
    Ok(command)
}

fn with_package(name: &str, ready: &OnceLock<Result<PathBuf, String>>) -> Result<Command, String> {
    let library = ready.get_or_init(|| {
        let target = directory(if name == "smpplib" { "python" } else { name });
        let args = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--timeout",
            "20",
            "--retries",
            "1",
            "--target",
        ];
        install(&target.join(name), Command::new("python3").args(args).arg(&target).arg(name))?;
        Ok(target)
    });
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", library.clone()?);
    Ok(command)
}

/// A command that runs a Perl script with Net::SMPP, which is one file of a Debian package, or why there is none.
pub fn perl() -> Result<Command, String> {
    static READY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let library = READY.get_or_init(|| {
        let target = directory("perl");
        let unpacked = target.join("usr/share/perl5");
        let fetch = "apt-get download --quiet libnet-smpp-perl && dpkg -x libnet-smpp-perl_*.deb .";
        install(&unpacked.join("Net/SMPP.pm"), Command::new("sh").args(["-c", fetch]).current_dir(&target))?;
        Ok(unpacked)
    });
    let mut command = Command::new("perl");
    command.env("PERL5LIB", library.clone()?);
    Ok(command)
}

/// A command that runs a script with npm's smpp, or why there is none.
pub fn node() -> Result<Command, String> {
    static READY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    with_module("smpp", "node", &READY)
}

/// The same with npm's playwright-core, which drives a browser and brings none.
pub fn playwright() -> Result<Command, String> {
    static READY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    with_module("playwright-core", "playwright", &READY)
}

fn with_module(name: &str, place: &str, ready: &OnceLock<Result<PathBuf, String>>) -> Result<Command, String> {
    let library = ready.get_or_init(|| {
        let prefix = directory(place);
        let args = ["install", "--loglevel=error", "--no-audit", "--no-fund", "--fetch-retries=1", "--prefix"];
        let modules = prefix.join("node_modules");
        install(&modules.join(name), Command::new("npm").args(args).arg(&prefix).arg(name))?;
        Ok(modules)
    });
    let mut command = Command::new("node");
    command.env("NODE_PATH", library.clone()?);
    Ok(command)
}

/// Whether a program can be run at all.
pub fn has(program: &str) -> Result<(), String> {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    found.map(drop).map_err(|error| format!("{program}: {error}"))
}

/// Says why a test did nothing.
pub fn skipped(why: &str) {
    println!("skipped: {why}");
}

fn install(result: &Path, installer: &mut Command) -> Result<(), String> {
    if result.exists() {
        return Ok(());
    }
    let failed = |why: String| format!("{} cannot be had: {why}", result.display());
    let output = installer.stdin(Stdio::null()).output().map_err(|error| failed(error.to_string()))?;
    if output.status.success() && result.exists() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(failed(errors.lines().next().unwrap_or_default().to_owned()))
}

/// A place in the build's directory.
pub fn directory(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("interop").join(name);
    std::fs::create_dir_all(&path).unwrap();
    path
}
