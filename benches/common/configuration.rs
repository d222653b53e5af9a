//! A `Config` from the text of one.

use std::path::{Path, PathBuf};

use trunkline::config::{self, Config, Surroundings};

/// # Panics
/// When the text is no configuration: a bench writes its own.
pub(crate) fn read(text: &str) -> Config {
    parse(text, &|path| Err(format!("{}: a bench reads no file", path.display())))
}

/// As `read`, with the contents of any file that it names.
#[allow(dead_code, reason = "not every bench that has this module names a file")]
pub(crate) fn read_with(text: &str, file: &[u8]) -> Config {
    parse(text, &|_| Ok(file.to_vec()))
}

fn parse(text: &str, file: &dyn Fn(&Path) -> Result<Vec<u8>, String>) -> Config {
    let surroundings = Surroundings { base: PathBuf::new(), env: &|_| None, file };
    match config::parse(text, &surroundings) {
        Ok(parsed) => parsed.config,
        Err(problems) => panic!("{problems:?}"),
    }
}
