//! The files an operator hands us, read whole at start.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// No configuration is longer than 1 MiB, and no file it names than a list of numbers may be (256 MiB). What is, is cut behind
/// that, which is enough to be refused for its length; a device such as /dev/zero has no end at all.
const LONGEST: u64 = (1 << 20) + 4;
const LONGEST_NAMED: u64 = (256 << 20) + 4;

/// A file that a configuration names.
pub fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut octets = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LONGEST_NAMED).read_to_end(&mut octets))
        .map_err(|error| error.to_string())?;
    Ok(octets)
}

pub fn read_text(path: &Path) -> io::Result<String> {
    let mut octets = Vec::new();
    File::open(path)?.take(LONGEST).read_to_end(&mut octets)?;
    match String::from_utf8(octets) {
        Ok(text) => Ok(text),
        // A character cut in two where the reading ended: too long all the same.
        Err(error) if error.as_bytes().len() as u64 == LONGEST => {
            Ok(String::from_utf8_lossy(error.as_bytes()).into_owned())
        }
        Err(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "is not UTF-8")),
    }
}

/// Whether anyone on this host may read it.
#[must_use]
pub fn is_readable_by_others(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_an_end_is_read_no_further_than_its_refusal_needs() {
        let device = Path::new("/dev/zero");
        assert_eq!(read(device).unwrap().len() as u64, LONGEST_NAMED);
        assert_eq!(read_text(device).unwrap().len() as u64, LONGEST);
    }
}
