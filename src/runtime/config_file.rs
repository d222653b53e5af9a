//! Reading a configuration file, with what it names: the environment, other files, certificates.

use std::path::{Path, PathBuf};

use crate::config::{self, Admin, Parsed, Surroundings};
use crate::runtime::files;

/// # Errors
/// Every problem, one a line.
pub fn read(path: &Path) -> Result<Parsed, Vec<String>> {
    read_with(path, config::parse)
}

/// Where the admin listener is, and its token.
///
/// # Errors
/// Every problem of that, one a line.
pub fn read_admin(path: &Path) -> Result<Admin, Vec<String>> {
    read_with(path, config::parse_admin)
}

fn read_with<T>(
    path: &Path,
    parse: impl Fn(&str, &Surroundings<'_>) -> Result<T, Vec<config::Problem>>,
) -> Result<T, Vec<String>> {
    let of_file = |problem: String| format!("{}: {problem}", path.display());
    let text = files::read_text(path).map_err(|error| vec![of_file(error.to_string())])?;
    let base = path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
    let surroundings = Surroundings { base, env: &|name| std::env::var(name).ok(), file: &|path| files::read(path) };
    let problems = |problems: Vec<config::Problem>| problems.iter().map(|one| of_file(one.to_string())).collect();
    parse(&text, &surroundings).map_err(problems)
}
