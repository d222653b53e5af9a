//! A `Config` from the text of one.

use std::path::PathBuf;

use trunkline::config::{self, Config, Surroundings};

/// # Panics
/// When the text is no configuration: a bench writes its own.
pub(crate) fn read(text: &str) -> Config {
    let surroundings = Surroundings {
        base: PathBuf::new(),
        env: &|_| None,
        file: &|path| Err(format!("{}: a bench reads no file", path.display())),
    };
    match config::parse(text, &surroundings) {
        Ok(parsed) => parsed.config,
        Err(problems) => panic!("{problems:?}"),
    }
}
