//! The files an operator hands us, read whole at start.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

#[expect(clippy::disallowed_methods, reason = "this is the edge")]
pub fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| error.to_string())
}

#[expect(clippy::disallowed_methods, reason = "this is the edge")]
pub fn read_text(path: &Path) -> io::Result<String> {
    std::fs::read_to_string(path)
}

/// Whether anyone on this host may read it.
#[must_use]
pub fn is_readable_by_others(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}
